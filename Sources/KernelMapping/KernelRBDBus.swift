internal import ExactText
public import ImageMapping
public import LinuxKernel
package import RBD
internal import SystemPackage

/// An image that the kernel has mapped, as sysfs tells of it.
public struct KernelRBDDevice: Sendable, Hashable {
    /// N of `/dev/rbdN`.
    public let number: Int
    /// Its pool.
    public let pool: String
    /// Its RADOS namespace; empty for the default one.
    public let namespace: String
    /// Its name.
    public let image: String
    /// The image itself; nothing where the kernel does not tell.
    public let identity: ImageIdentity?
    /// The snapshot that is mapped; nothing for the image itself.
    public let snapshot: String?
    /// The cluster's fsid; empty where the kernel is too old to tell.
    public let fsid: String
    /// The client's address and nonce, as watches and blocklists have it.
    public let clientAddress: String
    /// How it was mapped: monitors, options, image; a key in the kernel's keyring is only named.
    public let configuration: String
    /// Its number as a device.
    public let device: DeviceNumber
    /// Its size in bytes.
    public let sizeBytes: UInt64

    /// `rbd0`.
    public var name: String { "rbd\(number)" }
    /// `/dev/rbd0`.
    public var path: String { "/dev/rbd\(number)" }

    /// Whether the image has these names, in this cluster or another.
    func isOf(_ address: ImageAddress) -> Bool {
        pool.isExactly(address.pool) && namespace.isExactly(address.namespace) && image.isExactly(address.name)
            && snapshot == nil
    }

    /// Whether the service with a state directory has mapped it, as its key's name tells.
    package func isMapped(by stateDirectory: String) -> Bool {
        option("key")?.startsExactly(with: KernelRBDMapper.keyPrefix(of: stateDirectory)) == true
    }

    /// The value of an option that it was mapped with; the empty string for a flag.
    func option(_ name: String) -> String? {
        let words = configuration.parts(at: " ", omittingEmpty: true)
        guard words.count > 1 else { return nil }
        for option in words[1].parts(at: ",", omittingEmpty: true) {
            let sides = option.parts(at: "=", most: 1, omittingEmpty: true)
            if sides.first?.isExactly(name) == true { return sides.count == 2 ? sides[1] : "" }
        }
        return nil
    }

    /// The monitors that it was mapped with, `10.0.0.1:3300`.
    var monitors: [String] {
        configuration.parts(at: " ", omittingEmpty: true).first?.parts(at: ",", omittingEmpty: true) ?? []
    }
}

/// The kernel's rbd driver in sysfs: what it can, what it has mapped, and the files that make it map.
package struct KernelRBDBus: Sendable {
    package let sysfs: String

    package init(sysfs: String = "/sys") { self.sysfs = sysfs }

    private var root: String { "\(sysfs)/bus/rbd" }

    /// Whether the driver is there.
    package var isPresent: Bool { (try? FileKind.of("\(root)/add")) != nil }

    /// The file that maps; with one major number for all devices, unless the module was loaded otherwise.
    package var add: String { present("add_single_major") ?? "\(root)/add" }
    /// The file that unmaps.
    package var remove: String { present("remove_single_major") ?? "\(root)/remove" }

    /// The file that makes the kernel read an image's header again.
    package func refresh(_ device: KernelRBDDevice) -> String { "\(root)/devices/\(device.number)/refresh" }

    /// The features of images that this kernel can map; nothing when it does not tell.
    package var supportedFeatures: ImageFeatures? {
        guard let text = KernelFile.firstLine("\(root)/supported_features") else { return nil }
        return UInt64(text.drop { $0 == "0" || $0 == "x" }, radix: 16).map(ImageFeatures.init(rawValue:))
    }

    /// Everything that is mapped, whoever did it.
    package func devices() throws(KernelError) -> [KernelRBDDevice] {
        try KernelFile.names(in: "\(root)/devices").compactMap { Int($0) }.sorted().compactMap(device)
    }

    /// The addresses of the clients that have something mapped, `10.0.0.7:0/123456`.
    package func clientAddresses() -> Set<String> {
        Set(((try? devices()) ?? []).map(\.clientAddress).filter { !$0.isEmpty })
    }

    /// One device; nothing when it is gone.
    package func device(_ number: Int) -> KernelRBDDevice? {
        let directory = "\(root)/devices/\(number)"
        func value(_ name: String) -> String? { KernelFile.firstLine("\(directory)/\(name)") }
        guard let pool = value("pool"), let image = value("name"),
            let major = value("major").flatMap(UInt32.init)
        else { return nil }
        // Without single_major there is no file `minor`, and it is 0.
        let minor = value("minor").flatMap(UInt32.init) ?? 0
        let snapshot = value("current_snap") ?? "-"
        return KernelRBDDevice(
            number: number,
            pool: pool,
            namespace: value("pool_ns") ?? "",
            image: image,
            identity: value("pool_id").flatMap(Int64.init).flatMap { pool in
                value("image_id").flatMap { $0.isEmpty ? nil : ImageIdentity(poolID: pool, imageID: $0) }
            },
            snapshot: snapshot == "-" ? nil : snapshot,
            fsid: value("cluster_fsid") ?? "",
            clientAddress: value("client_addr") ?? "",
            configuration: value("config_info") ?? "",
            device: DeviceNumber(major: major, minor: minor),
            sizeBytes: value("size").flatMap(UInt64.init) ?? 0
        )
    }

    /// Whether a device refuses writes.
    package func isReadOnly(_ device: KernelRBDDevice) -> Bool {
        KernelFile.firstLine("\(sysfs)/block/\(device.name)/ro") == "1"
    }

    private func present(_ name: String) -> String? {
        let path = "\(root)/\(name)"
        return (try? FileKind.of(path)) == nil ? nil : path
    }
}
