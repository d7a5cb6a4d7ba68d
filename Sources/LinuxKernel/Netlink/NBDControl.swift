internal import ExactText
internal import SystemPackage

/// The control interface of the kernel's network block devices.
///
/// See: <linux/nbd-netlink.h>. Each call needs CAP_SYS_ADMIN.
public enum NBDControl {
    /// What a device is connected with.
    public struct Connection: Sendable {
        /// Its size in bytes.
        public var sizeBytes: UInt64
        /// The unit of direct I/O.
        public var blockBytes: UInt64 = 512
        /// `NBD_FLAG_…`: what the server can do.
        public var serverFlags: UInt64
        /// Seconds after which an unanswered request is sent again on a live connection.
        public var timeout: UInt64
        /// Seconds that requests wait for a new connection if all are dead.
        public var deadConnectionTimeout: UInt64
        /// The backend identifier, stored by kernels from 5.14; others ignore it.
        public var backend: String

        /// Describes a device.
        public init(
            sizeBytes: UInt64,
            serverFlags: UInt64,
            timeout: UInt64,
            deadConnectionTimeout: UInt64,
            backend: String
        ) {
            self.sizeBytes = sizeBytes
            self.serverFlags = serverFlags
            self.timeout = timeout
            self.deadConnectionTimeout = deadConnectionTimeout
            self.backend = backend
        }
    }

    private static let family = "nbd"

    private enum Command: UInt8 {
        case connect = 1
        case disconnect = 2
        case reconfigure = 3
        case status = 5
    }

    private enum Attribute {
        static let index: UInt16 = 1
        static let size: UInt16 = 2
        static let blockSize: UInt16 = 3
        static let timeout: UInt16 = 4
        static let serverFlags: UInt16 = 5
        static let sockets: UInt16 = 7
        static let deadConnectionTimeout: UInt16 = 8
        static let deviceList: UInt16 = 9
        static let backend: UInt16 = 10
    }

    /// Whether the driver is there.
    public static var isAvailable: Bool { (try? GenericNetlink(family: family)) != nil }

    /// Connects a free device to sockets whose other ends are served; the kernel chooses the device unless `index` is
    /// given.
    ///
    /// Implements `NBD_CMD_CONNECT`.
    ///
    /// - Parameters:
    ///   - connection: The device.
    ///   - sockets: Connected stream sockets; the kernel keeps references, so the caller may close its descriptors.
    ///   - index: N of `/dev/nbdN`; EBUSY if it is connected.
    /// - Returns: N of `/dev/nbdN`.
    /// - Throws: `KernelError`; ENOENT without the driver.
    public static func connect(
        _ connection: Connection,
        sockets: [CInt],
        index: Int? = nil
    ) throws(KernelError) -> NBDDevice {
        var attributes = NetlinkAttributes()
        if let index { attributes.append(Attribute.index, UInt32(index)) }
        attributes.append(Attribute.size, connection.sizeBytes)
        attributes.append(Attribute.blockSize, connection.blockBytes)
        attributes.append(Attribute.timeout, connection.timeout)
        attributes.append(Attribute.deadConnectionTimeout, connection.deadConnectionTimeout)
        attributes.append(Attribute.serverFlags, connection.serverFlags)
        attributes.append(Attribute.sockets, list(of: sockets))
        attributes.append(Attribute.backend, connection.backend)
        let answers = try call(.connect, attributes)
        guard let number = answers.joined().first(where: { $0.type == Attribute.index })?.number else {
            throw KernelError("NBD_CMD_CONNECT", .badMessage, "answer without an index")
        }
        return NBDDevice(index: Int(number))
    }

    /// Changes a connected device: sockets to replace dead ones, its size, its time limit.
    ///
    /// Implements `NBD_CMD_RECONFIGURE`. Throws EINVAL when the device is not connected, or was by another backend.
    public static func reconfigure(
        _ device: NBDDevice,
        sockets: [CInt] = [],
        sizeBytes: UInt64? = nil,
        timeout: UInt64? = nil,
        deadConnectionTimeout: UInt64? = nil,
        backend: String
    ) throws(KernelError) {
        var attributes = NetlinkAttributes()
        attributes.append(Attribute.index, UInt32(device.index))
        if let sizeBytes { attributes.append(Attribute.size, sizeBytes) }
        if let timeout { attributes.append(Attribute.timeout, timeout) }
        if let deadConnectionTimeout { attributes.append(Attribute.deadConnectionTimeout, deadConnectionTimeout) }
        if !sockets.isEmpty { attributes.append(Attribute.sockets, list(of: sockets)) }
        // A kernel that has stored a backend requires it again.
        attributes.append(Attribute.backend, backend)
        _ = try call(.reconfigure, attributes)
    }

    /// Disconnects a device even if it is in use: requests under way fail.
    ///
    /// Fine when it is not connected.
    ///
    /// Implements `NBD_CMD_DISCONNECT`.
    public static func disconnect(_ device: NBDDevice) throws(KernelError) {
        var attributes = NetlinkAttributes()
        attributes.append(Attribute.index, UInt32(device.index))
        do throws(KernelError) {
            _ = try call(.disconnect, attributes)
        } catch  where error.errno == .invalidArgument {
            return
        }
    }

    /// Which devices there are, and whether they are connected.
    ///
    /// Implements `NBD_CMD_STATUS`.
    public static func status() throws(KernelError) -> [NBDDevice: Bool] {
        var devices: [NBDDevice: Bool] = [:]
        for list in try call(.status, NetlinkAttributes()).joined() where list.type == Attribute.deviceList {
            for item in try NetlinkAttributes.parse(list.value) {
                let fields = try NetlinkAttributes.parse(item.value)
                // NBD_DEVICE_INDEX and NBD_DEVICE_CONNECTED.
                guard let index = fields.first(where: { $0.type == 1 })?.number else { continue }
                devices[NBDDevice(index: Int(index))] = fields.first { $0.type == 2 }?.number == 1
            }
        }
        return devices
    }

    private static func list(of sockets: [CInt]) -> NetlinkAttributes {
        var list = NetlinkAttributes()
        for socket in sockets {
            // NBD_SOCK_FD in NBD_SOCK_ITEM.
            var item = NetlinkAttributes()
            item.append(1, UInt32(bitPattern: socket))
            list.append(1, item)
        }
        return list
    }

    private static func call(
        _ command: Command,
        _ attributes: NetlinkAttributes
    ) throws(KernelError) -> [[NetlinkAttributes.Attribute]] {
        do throws(KernelError) {
            return try GenericNetlink(family: family).call(command.rawValue, version: 1, attributes)
        } catch  where error.call.startsExactly(with: "command \(command.rawValue)") {
            throw KernelError("NBD_CMD_\("\(command)".uppercased())", error.errno, error.subject)
        }
    }
}
