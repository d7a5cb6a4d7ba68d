internal import CLinux
internal import ExactText
internal import Glibc
internal import SystemPackage

/// What a disk that several hosts reach tells of who has reserved it.
///
/// See: SPC-4 5.13 (persistent reservations), NVM Express Base Specification 8.19 (reservations).
public struct DeviceReservation: Sendable, Hashable {
    /// What a reservation keeps from others.
    public enum Kind: Sendable, Hashable {
        /// The numbers of SCSI and of NVMe.
        case writeExclusive, exclusiveAccess, writeExclusiveRegistrants, exclusiveAccessRegistrants
        case writeExclusiveAll, exclusiveAccessAll
        /// A reservation of SCSI-2 (RESERVE), whose owner no command tells.
        case old
        /// Another number.
        case other(UInt8)

        /// For people.
        public var words: String {
            switch self {
            case .writeExclusive: "write exclusive"
            case .exclusiveAccess: "exclusive access"
            case .writeExclusiveRegistrants: "write exclusive, registrants only"
            case .exclusiveAccessRegistrants: "exclusive access, registrants only"
            case .writeExclusiveAll: "write exclusive, all registrants"
            case .exclusiveAccessAll: "exclusive access, all registrants"
            case .old: "a reservation of SCSI-2"
            case .other(let number): "type \(number)"
            }
        }

        static func scsi(_ number: UInt8) -> Kind {
            switch number {
            case 1: .writeExclusive
            case 3: .exclusiveAccess
            case 5: .writeExclusiveRegistrants
            case 6: .exclusiveAccessRegistrants
            case 7: .writeExclusiveAll
            case 8: .exclusiveAccessAll
            default: .other(number)
            }
        }

        static func nvme(_ number: UInt8) -> Kind {
            let all: [Kind] = [
                .writeExclusive, .exclusiveAccess, .writeExclusiveRegistrants, .exclusiveAccessRegistrants,
                .writeExclusiveAll, .exclusiveAccessAll,
            ]
            return all.indices.contains(Int(number) - 1) ? all[Int(number) - 1] : .other(number)
        }
    }

    /// How it is reserved; nothing when initiators are only registered.
    public let kind: Kind?
    /// The key of who holds the reservation; several hold it in the kinds for all registrants.
    public let holder: UInt64?
    /// The keys that initiators have registered.
    public let keys: [UInt64]

    /// For people: `reserved by the key 0x1f (write exclusive); registered keys: 0x1f, 0x2a`.
    public var words: String {
        let registered = keys.map(Self.text).joined(separator: ", ")
        let list = keys.isEmpty ? "" : "registered \(keys.count == 1 ? "key" : "keys"): \(registered)"
        guard let kind else { return list }
        let who = holder.map { " by the key \(Self.text($0))" } ?? ""
        return "reserved\(who) (\(kind.words))\(list.isEmpty ? "" : "; \(list)")"
    }

    /// A key as sg_persist and nvme-cli show it.
    public static func text(_ key: UInt64) -> String { "0x\(String(key, radix: 16))" }

    /// Asks a disk who has reserved it.
    ///
    /// Writes nothing. Implements `SG_IO` with PERSISTENT RESERVE IN, and `NVME_IOCTL_IO_CMD` with Reservation Report.
    ///
    /// - Parameters:
    ///   - name: The kernel's name of a whole disk: `sda`, `nvme0n1`.
    ///   - dev: Where device nodes are.
    /// - Returns: Nothing when nobody has registered with it, or when it knows no reservations.
    /// - Throws: `KernelError` when the disk cannot be asked: it does not answer, or we may not.
    public static func of(_ name: String, dev: String = "/dev") throws(KernelError) -> DeviceReservation? {
        let isSCSI = name.startsExactly(with: "sd")
        guard isSCSI || name.startsExactly(with: "nvme") else { return nil }
        let device = try OwnedDescriptor(opening: "\(dev)/\(name)", O_RDONLY | O_NONBLOCK)
        return isSCSI ? try scsi(device) : try nvme(device)
    }

    private init?(kind: Kind?, holder: UInt64?, keys: [UInt64]) {
        guard kind != nil || !keys.isEmpty else { return nil }
        (self.kind, self.holder, self.keys) = (kind, holder, keys)
    }

    private static let conflict: UInt8 = 0x18

    private static func scsi(_ device: borrowing OwnedDescriptor) throws(KernelError) -> DeviceReservation? {
        let old = DeviceReservation(kind: .old, holder: nil, keys: [])
        guard let keys = try scsiAnswer(device, action: 0) else { return nil }
        guard case .bytes(let registered) = keys else { return old }
        guard let reservation = try scsiAnswer(device, action: 1) else { return nil }
        guard case .bytes(let reserved) = reservation else { return old }
        return DeviceReservation(scsiKeys: registered, reservation: reserved)
    }

    /// Reads the answers to READ KEYS and READ RESERVATION.
    init?(scsiKeys registered: [UInt8], reservation: [UInt8]) {
        func listed(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
            guard bytes.count >= 8 else { return [] }
            return bytes.dropFirst(8).prefix(Int(Self.number(bytes[4..<8])))
        }
        let keys = listed(registered)
        let count = keys.count / 8
        let all = (0..<count).map { Self.number(keys.dropFirst($0 * 8).prefix(8)) }
        let held = listed(reservation)
        guard held.count >= 14 else {
            self.init(kind: nil, holder: nil, keys: all)
            return
        }
        let kind = Kind.scsi(held[held.startIndex + 13] & 0x0F)
        let isForAll = kind == .writeExclusiveAll || kind == .exclusiveAccessAll
        self.init(kind: kind, holder: isForAll ? nil : Self.number(held.prefix(8)), keys: all)
    }

    private enum SCSIAnswer {
        case bytes([UInt8])
        case conflict
    }

    /// Nothing when the disk does not know the command.
    private static func scsiAnswer(
        _ device: borrowing OwnedDescriptor,
        action: UInt32
    ) throws(KernelError) -> SCSIAnswer? {
        var bytes = [UInt8](repeating: 0, count: 8192)
        var status: UInt8 = 0
        var sense: [UInt8] = [0, 0, 0]
        for _ in 0..<3 {
            let result = clinux_scsi_reservations(
                device.rawValue,
                action,
                &bytes,
                UInt16(bytes.count),
                &status,
                &sense
            )
            // No SCSI device, or one whose driver passes no commands on.
            if result == -ENOTTY || result == -EINVAL || result == -EOPNOTSUPP { return nil }
            if status == conflict { return .conflict }
            let isUnitAttention = sense[0] == 6
            if status == 2, isUnitAttention { continue }
            // ILLEGAL REQUEST: it has no such command.
            if status == 2, sense[0] == 5 { return nil }
            let count = try accepted("PERSISTENT RESERVE IN", device.subject, result)
            guard status == 0 else { break }
            return .bytes(Array(bytes.prefix(Int(count))))
        }
        throw KernelError("PERSISTENT RESERVE IN", .ioError, device.subject)
    }

    private static func nvme(_ device: borrowing OwnedDescriptor) throws(KernelError) -> DeviceReservation? {
        let space = try accepted("NVME_IOCTL_ID", device.subject, clinux_nvme_namespace(device.rawValue))
        var bytes = [UInt8](repeating: 0, count: 4096)
        // Hosts with an identifier of 128 bits want the extended form, the others know the old one only.
        for isExtended in [true, false] {
            let result = clinux_nvme_reservations(
                device.rawValue,
                UInt32(space),
                isExtended ? 1 : 0,
                &bytes,
                UInt32(bytes.count)
            )
            switch NVMeStatus(try accepted("NVME_IOCTL_IO_CMD", device.subject, result)) {
            case .success: return DeviceReservation(nvmeReport: bytes, isExtended: isExtended)
            case .invalidOpcode: return nil
            case .invalidField: continue
            case .inconsistentFormat where isExtended: continue
            case .inconsistentFormat, .other:
                throw KernelError("NVME_IOCTL_IO_CMD (status \(Self.text(UInt64(result))))", .ioError, device.subject)
            }
        }
        return nil
    }

    /// How an NVMe command ended; see NVM Express Base Specification 4.6.1.
    enum NVMeStatus: Sendable, Hashable {
        case success
        /// Invalid Command Opcode: there is no such command, so there are no reservations.
        case invalidOpcode
        /// Invalid Field in Command: not in this form.
        case invalidField
        /// Host Identifier Inconsistent Format: the other form is wanted.
        case inconsistentFormat
        case other

        /// Reads what the kernel returns: the status code, its type, and bits that say whether to try again.
        init(_ result: CInt) {
            switch result & 0x7FF {
            case 0x00: self = .success
            case 0x01: self = .invalidOpcode
            case 0x02: self = .invalidField
            case 0x18: self = .inconsistentFormat
            default: self = .other
            }
        }
    }

    /// Reads a Reservation Status data structure.
    init?(nvmeReport bytes: [UInt8], isExtended: Bool) {
        let (head, entry, key) = isExtended ? (64, 64, 8) : (24, 24, 16)
        guard bytes.count >= head else { return nil }
        let count = min(Int(bytes[5]) | Int(bytes[6]) << 8, (bytes.count - head) / entry)
        let controllers = (0..<count).map { bytes[(head + $0 * entry)...].prefix(entry) }
        let keys = controllers.map { Self.number($0.dropFirst(key).prefix(8).reversed()) }
        let holders = zip(controllers, keys).filter { $0.0[$0.0.startIndex + 2] & 1 != 0 }.map(\.1)
        let kind = bytes[4] == 0 ? nil : Kind.nvme(bytes[4])
        self.init(kind: kind, holder: holders.count == 1 ? holders.first : nil, keys: keys)
    }

    private static func number(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
