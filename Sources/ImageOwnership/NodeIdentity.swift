internal import ExactText
internal import Glibc
public import LinuxKernel
internal import RADOS
public import RBD
internal import SystemPackage

/// A node, as it must be told from every other one, and from itself before its last boot.
public struct NodeIdentity: Sendable, Hashable, Codable {
    /// The node's name, for people.
    public let name: String
    /// A random number that is kept in the state directory: two nodes may have one name, by mistake.
    public let host: String
    /// `/proc/sys/kernel/random/boot_id`.
    public let bootID: String
    /// The uid of the Node object in Kubernetes, where the agent has read it: it tells two machines that were copied while they
    /// ran, number and boot alike.
    public var uid: String?

    /// Puts an identity together.
    public init(name: String, host: String, bootID: String, uid: String? = nil) {
        self.name = name
        self.host = host
        self.bootID = bootID
        self.uid = uid
    }

    /// The identity of this node; draws its number at the first call on a state directory.
    ///
    /// A state directory that was copied to another machine, with a golden image say, gets a number of its own there: beside
    /// the number stands the machine on which it was drawn.
    ///
    /// - Parameters:
    ///   - name: The node's name.
    ///   - stateDirectory: Such as `/var/lib/nacre`.
    /// - Returns: The identity.
    /// - Throws: `KernelError`.
    public static func current(name: String, stateDirectory: String) throws(KernelError) -> NodeIdentity {
        try current(name: name, stateDirectory: stateDirectory, machine: machine)
    }

    static func current(
        name: String,
        stateDirectory: String,
        machine: String?
    ) throws(KernelError) -> NodeIdentity {
        let file = IdentityFile(stateDirectory)
        let bootID = try bootID()
        guard var noted = try file.read() else {
            try KernelFile.makeDirectories(stateDirectory)
            return try draw(name, bootID, machine, nil, file)
        }
        // Two ways of telling a machine say nothing of each other.
        let isCopy = noted.machine.map { drawnOn in
            machine.map { $0.parts(at: ":")[0].isExactly(drawnOn.parts(at: ":")[0]) && !$0.isExactly(drawnOn) }
                ?? false
        }
        guard isCopy != true else { return try draw(name, bootID, machine, nil, file) }
        if noted.machine == nil, machine != nil {
            noted.machine = machine
            try file.write(noted)
        }
        return NodeIdentity(name: name, host: noted.host, bootID: bootID, uid: noted.uid)
    }

    /// Notes which Node object of Kubernetes this node is.
    ///
    /// A state directory that says another one, of another boot, was copied here, or the object was made anew and the node has
    /// booted since: then nothing is mapped under the old number, and a new one is drawn. Within one boot the number stays,
    /// for the node's images are held under it.
    ///
    /// - Parameters:
    ///   - uid: The uid of the Node object.
    ///   - stateDirectory: Such as `/var/lib/nacre`.
    /// - Returns: Whether a new number was drawn.
    /// - Throws: `KernelError`.
    @discardableResult
    public static func note(uid: String, stateDirectory: String) throws(KernelError) -> Bool {
        try note(uid: uid, stateDirectory: stateDirectory, machine: machine, bootID: bootID())
    }

    static func note(
        uid: String,
        stateDirectory: String,
        machine: String?,
        bootID: String
    ) throws(KernelError) -> Bool {
        _ = try current(name: "", stateDirectory: stateDirectory, machine: machine)
        let file = IdentityFile(stateDirectory)
        guard var noted = try file.read() else { return false }
        if let known = noted.uid, !known.isExactly(uid), let boot = noted.bootID, !boot.isExactly(bootID) {
            _ = try draw("", bootID, machine, uid, file)
            return true
        }
        guard noted.uid?.isExactly(uid) != true || noted.bootID?.isExactly(bootID) != true else { return false }
        noted.uid = uid
        noted.bootID = bootID
        try file.write(noted)
        return false
    }

    private static func draw(
        _ name: String,
        _ bootID: String,
        _ machine: String?,
        _ uid: String?,
        _ file: IdentityFile
    ) throws(KernelError) -> NodeIdentity {
        let randomPath = "/proc/sys/kernel/random/uuid"
        guard let host = KernelFile.firstLine(randomPath) else { throw KernelError("read", .ioError, randomPath) }
        try file.write(
            IdentityFile.Content(host: host, machine: machine, uid: uid, bootID: uid == nil ? nil : bootID)
        )
        return NodeIdentity(name: name, host: host, bootID: bootID, uid: uid)
    }

    private static func bootID() throws(KernelError) -> String {
        let path = "/proc/sys/kernel/random/boot_id"
        guard let bootID = KernelFile.firstLine(path) else { throw KernelError("read", .ioError, path) }
        return bootID
    }

    /// What tells this machine from its copies: its firmware's number, which a hypervisor gives anew to each; else systemd's,
    /// which golden images are to be made without.
    ///
    /// See: machine-id(5); `/sys/class/dmi/id/product_uuid` is for root alone, and the same in every container.
    private static var machine: String? {
        for (kind, path) in [("dmi", "/sys/class/dmi/id/product_uuid"), ("machine-id", "/etc/machine-id")] {
            if let line = KernelFile.firstLine(path), line.utf8.count >= 32 { return "\(kind):\(line)" }
        }
        return nil
    }

    /// What is written into the lock of an image that this node has.
    ///
    /// - Parameters:
    ///   - address: The client's address in the cluster; `Cluster.addresses()` in any form.
    ///   - mapper: `krbd`, `nbd`, `fuse`.
    ///   - process: Who serves the image; nothing where the kernel does.
    ///   - keeper: Who starts such processes.
    /// - Returns: The record, as of now.
    public func record(
        address: String,
        mapper: String,
        process: ProcessIdentity? = nil,
        keeper: ProcessIdentity? = nil
    ) -> HolderRecord {
        HolderRecord(
            node: name,
            address: ClientAddress.plain(address),
            since: Int64(time(nil)),
            mapper: mapper,
            host: host,
            bootID: bootID,
            nodeUID: uid,
            process: process.map { .init(pid: $0.pid, startTime: $0.startTime) },
            keeper: keeper.map { .init(pid: $0.pid, startTime: $0.startTime) }
        )
    }
}
