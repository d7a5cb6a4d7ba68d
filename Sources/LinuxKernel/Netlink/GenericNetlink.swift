internal import CLinux
internal import Glibc
internal import SystemPackage

/// A conversation with one family of the kernel's generic netlink.
///
/// See: netlink(7), <linux/genetlink.h>.
public struct GenericNetlink: ~Copyable, Sendable {
    private let socket: OwnedDescriptor
    private let family: UInt16

    /// How long the kernel may take to answer: `nbd` waits for the queue of a device to be empty.
    private static let answerLimit: CInt = 60
    private static let controller: UInt16 = 16
    private static let error: UInt16 = 2
    private static let done: UInt16 = 3

    /// Finds the family by its name; ENOENT if no driver has registered it.
    public init(family name: String) throws(KernelError) {
        let subject = "netlink family '\(name)'"
        let raw = try accepted("socket", subject, clinux_generic_netlink(Self.answerLimit))
        let socket = OwnedDescriptor(adopting: raw, subject: subject)
        var attributes = NetlinkAttributes()
        // CTRL_ATTR_FAMILY_NAME; the answer has CTRL_ATTR_FAMILY_ID.
        attributes.append(2, name)
        let answers = try Self.exchange(socket, Self.controller, command: 3, version: 1, attributes)
        guard let id = answers.first?.first(where: { $0.type == 1 })?.number else {
            throw KernelError("CTRL_CMD_GETFAMILY", .badMessage, subject)
        }
        family = UInt16(truncatingIfNeeded: id)
        self.socket = socket
    }

    /// Sends a command and returns the attributes of each message until the acknowledgement.
    public borrowing func call(
        _ command: UInt8,
        version: UInt8,
        _ attributes: NetlinkAttributes
    ) throws(KernelError) -> [[NetlinkAttributes.Attribute]] {
        try Self.exchange(socket, family, command: command, version: version, attributes)
    }

    /// The bytes of a request: the header of netlink, that of generic netlink, the attributes.
    static func message(_ family: UInt16, command: UInt8, version: UInt8, _ attributes: NetlinkAttributes) -> [UInt8] {
        // NLM_F_REQUEST and NLM_F_ACK.
        NetlinkAttributes.bytes(of: UInt32(20 + attributes.bytes.count)) + NetlinkAttributes.bytes(of: family)
            + NetlinkAttributes.bytes(of: UInt16(5)) + NetlinkAttributes.bytes(of: UInt32(1))
            + NetlinkAttributes.bytes(of: UInt32(0)) + [command, version, 0, 0] + attributes.bytes
    }

    private static func exchange(
        _ socket: borrowing OwnedDescriptor,
        _ family: UInt16,
        command: UInt8,
        version: UInt8,
        _ attributes: NetlinkAttributes
    ) throws(KernelError) -> [[NetlinkAttributes.Attribute]] {
        try socket.writeAll(message(family, command: command, version: version, attributes))
        var answers: [[NetlinkAttributes.Attribute]] = []
        var buffer = [UInt8](repeating: 0, count: 32 << 10)
        while true {
            let count = recv(socket.rawValue, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            try checked("recv", socket.subject, count)
            let outcome = try parse(buffer[..<count], command: command, subject: socket.subject)
            answers += outcome.answers
            if outcome.isAcknowledged { return answers }
        }
    }

    /// Parses the result of one receive: messages, and whether the command was acknowledged.
    ///
    /// An error that the kernel reports is thrown with its errno.
    static func parse(
        _ bytes: ArraySlice<UInt8>,
        command: UInt8,
        subject: String
    ) throws(KernelError) -> (answers: [[NetlinkAttributes.Attribute]], isAcknowledged: Bool) {
        var answers: [[NetlinkAttributes.Attribute]] = []
        var rest = Array(bytes)
        while rest.count >= 16 {
            let length = Int(number(rest[0..<4]))
            guard length >= 16, length <= rest.count else { throw KernelError("recv", .badMessage, subject) }
            let body = rest[16..<length]
            switch UInt16(truncatingIfNeeded: number(rest[4..<6])) {
            case error:
                guard body.count >= 4 else { throw KernelError("recv", .badMessage, subject) }
                let code = Int32(truncatingIfNeeded: number(body.prefix(4)))
                guard code == 0 else { throw KernelError("command \(command)", Errno(rawValue: -code), subject) }
                return (answers, true)
            case done: return (answers, true)
            default: answers.append(try NetlinkAttributes.parse(body.dropFirst(4)))
            }
            rest = Array(rest.dropFirst((length + 3) & ~3))
        }
        return (answers, false)
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
