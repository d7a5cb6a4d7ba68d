import SystemPackage
import Testing

@testable import LinuxKernel

@Suite("Netlink")
struct NetlinkTests {
    @Test("Attributes are padded, and lists of sockets are nested")
    func attributes() throws {
        var socket = NetlinkAttributes()
        socket.append(1, UInt32(7))
        var attributes = NetlinkAttributes()
        attributes.append(1, UInt32(3))
        attributes.append(7, socket)
        attributes.append(10, "ab")
        // NBD_ATTR_INDEX 3, NBD_ATTR_SOCKETS {NBD_SOCK_FD 7}, NBD_ATTR_BACKEND_IDENTIFIER "ab".
        #expect(
            attributes.bytes == [
                8, 0, 1, 0, 3, 0, 0, 0,
                12, 0, 7, 0x80, 8, 0, 1, 0, 7, 0, 0, 0,
                7, 0, 10, 0, 0x61, 0x62, 0, 0,
            ]
        )
        let read = try NetlinkAttributes.parse(attributes.bytes)
        #expect(read.map(\.type) == [1, 7, 10])
        #expect(read[0].number == 3)
        #expect(try NetlinkAttributes.parse(read[1].value).first?.number == 7)
    }

    @Test("A length that leads out of the bytes is refused", arguments: [0, 1, 3, 9, 255])
    func badLength(length: UInt8) {
        #expect(throws: KernelError.self) { try NetlinkAttributes.parse([length, 0, 1, 0, 1, 2, 3, 4]) }
    }

    @Test("A message that is cut anywhere is refused or waited for, and never trapped on")
    func truncated() throws {
        var attributes = NetlinkAttributes()
        attributes.append(1, UInt64(5))
        let whole = GenericNetlink.message(0x19, command: 1, version: 1, attributes)
        for length in 0..<whole.count {
            let outcome = Result { () throws(KernelError) in
                try GenericNetlink.parse(whole[..<length], command: 1, subject: "test")
            }
            if case .success(let parsed) = outcome { #expect(parsed.answers.isEmpty && !parsed.isAcknowledged) }
        }
        let parsed = try GenericNetlink.parse(whole[...], command: 1, subject: "test")
        #expect(parsed.answers.first?.first?.number == 5)
    }

    @Test("The kernel's error is thrown with its errno, its acknowledgement is none")
    func errors() throws {
        // nlmsghdr of 36 bytes, NLMSG_ERROR; the code; the header that it is about.
        func answer(_ code: Int32) -> [UInt8] {
            [36, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0] + NetlinkAttributes.bytes(of: UInt32(bitPattern: code))
                + [UInt8](repeating: 0, count: 16)
        }
        #expect(try GenericNetlink.parse(answer(0)[...], command: 1, subject: "test").isAcknowledged)
        #expect {
            try GenericNetlink.parse(answer(-16)[...], command: 1, subject: "test")
        } throws: {
            ($0 as? KernelError)?.errno == .resourceBusy
        }
    }
}
