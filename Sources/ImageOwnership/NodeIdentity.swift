internal import ExactText
internal import Glibc
internal import KernelMapping
public import LinuxKernel
internal import RADOS
public import RBD
internal import Synchronization
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
    /// The uids that a Node object of this name had before in this boot, when it was deleted and made anew.
    var earlierUIDs: Set<String>?

    /// Puts an identity together.
    public init(name: String, host: String, bootID: String, uid: String? = nil) {
        self.name = name
        self.host = host
        self.bootID = bootID
        self.uid = uid
    }

    /// The identity of this node, which is about to map an image; draws its number at the first call on a state directory.
    ///
    /// A state directory that was copied to another machine, with a golden image say, gets a number of its own there: beside
    /// the number stands the machine on which it was drawn. From now on the number stays for this boot: the image is held
    /// under it.
    ///
    /// - Parameters:
    ///   - name: The node's name.
    ///   - stateDirectory: Such as `/var/lib/nacre`.
    /// - Returns: The identity.
    /// - Throws: `KernelError`.
    public static func current(name: String, stateDirectory: String) throws(KernelError) -> NodeIdentity {
        try access.withLock { (_) throws(KernelError) in
            try current(name: name, stateDirectory: stateDirectory, machine: machine, bootID: bootID(), isMapping: true)
        }
    }

    /// The identity of this node, where nothing is to be mapped.
    static func known(name: String, stateDirectory: String) throws(KernelError) -> NodeIdentity {
        try access.withLock { (_) throws(KernelError) in
            try current(
                name: name,
                stateDirectory: stateDirectory,
                machine: machine,
                bootID: bootID(),
                isMapping: false
            )
        }
    }

    /// Held while the file is read and changed.
    private static let access = Mutex(())

    static func current(
        name: String,
        stateDirectory: String,
        machine: String?,
        bootID: String,
        isMapping: Bool
    ) throws(KernelError) -> NodeIdentity {
        let file = IdentityFile(stateDirectory)
        guard var noted = try file.read() else {
            try KernelFile.makeDirectories(stateDirectory)
            return try draw(name, bootID, machine, isMapping: isMapping, file)
        }
        // Two ways of telling a machine say nothing of each other.
        let isCopy = noted.machine.map { drawnOn in
            machine.map { $0.parts(at: ":")[0].isExactly(drawnOn.parts(at: ":")[0]) && !$0.isExactly(drawnOn) }
                ?? false
        }
        guard isCopy != true else { return try draw(name, bootID, machine, isMapping: isMapping, file) }
        let isOther = noted.bootID?.isExactly(bootID) != true
        if isMapping && isOther || noted.machine == nil && machine != nil {
            if isOther { noted.earlier = [] }
            if isMapping { noted.bootID = bootID }
            noted.machine = noted.machine ?? machine
            try file.write(noted)
        }
        var identity = NodeIdentity(name: name, host: noted.host, bootID: bootID, uid: noted.uid)
        if !isOther, !noted.earlier.isEmpty { identity.earlierUIDs = Set(noted.earlier) }
        return identity
    }

    /// Whether a uid in a record of this number and this boot is this node's.
    func has(uid: String) -> Bool {
        guard let own = self.uid else { return true }
        return uid.isExactly(own) || earlierUIDs?.contains { uid.isExactly($0) } == true
    }

    /// Notes which Node object of Kubernetes this node is.
    ///
    /// A state directory that says another one, of another boot, was copied here, or the object was made anew and the node has
    /// booted since: then a new number is drawn, unless something is mapped under the old one. Within one boot the number
    /// stays, for the node's images are held under it; a new one is drawn after the next.
    ///
    /// - Parameters:
    ///   - uid: The uid of the Node object.
    ///   - name: Its name.
    ///   - stateDirectory: Such as `/var/lib/nacre`.
    ///   - mayDraw: Whether nothing can be mapped meanwhile, as before the service listens.
    /// - Returns: Whether a new number was drawn.
    /// - Throws: `KernelError`.
    @discardableResult
    public static func note(
        uid: String,
        name: String,
        stateDirectory: String,
        mayDraw: Bool
    ) throws(KernelError) -> Bool {
        let notes = HeldNotes(directory: "\(stateDirectory)/held")
        let clients = KernelRBDBus().clientAddresses()
        // An earlier release did not note the boot with what it mapped.
        let isMapped = notes.all().contains { clients.contains($0.address) }
        return try access.withLock { (_) throws(KernelError) in
            try note(
                uid: uid,
                name: name,
                stateDirectory: stateDirectory,
                machine: machine,
                bootID: bootID(),
                mayDraw: mayDraw && !isMapped
            )
        }
    }

    static func note(
        uid: String,
        name: String,
        stateDirectory: String,
        machine: String?,
        bootID: String,
        mayDraw: Bool = true
    ) throws(KernelError) -> Bool {
        _ = try current(name: "", stateDirectory: stateDirectory, machine: machine, bootID: bootID, isMapping: false)
        let file = IdentityFile(stateDirectory)
        guard var noted = try file.read() else { return false }
        let isOther = noted.uid.map { !$0.isExactly(uid) } ?? false
        let isAfterBoot = noted.bootID.map { !$0.isExactly(bootID) } ?? false
        if isAfterBoot, isOther || noted.isDue, mayDraw {
            _ = try draw("", bootID, machine, isMapping: true, file, uid: uid, of: name)
            return true
        }
        let before = noted
        if isAfterBoot { noted.earlier = [] }
        if isOther {
            // A machine that was copied while it ran has another name; its uids are not this node's.
            let isRemade = !isAfterBoot && noted.name?.isExactly(name) == true
            noted.earlier =
                isRemade ? (noted.earlier + [noted.uid].compactMap(\.self)).filter { !$0.isExactly(uid) } : []
            if !isRemade { noted.isDue = true }
        }
        (noted.uid, noted.name, noted.bootID) = (uid, name, bootID)
        if noted != before { try file.write(noted) }
        return false
    }

    private static func draw(
        _ name: String,
        _ bootID: String,
        _ machine: String?,
        isMapping: Bool,
        _ file: IdentityFile,
        uid: String? = nil,
        of object: String? = nil
    ) throws(KernelError) -> NodeIdentity {
        let randomPath = "/proc/sys/kernel/random/uuid"
        guard let host = KernelFile.firstLine(randomPath) else { throw KernelError("read", .ioError, randomPath) }
        try file.write(
            IdentityFile.Content(
                host: host,
                machine: machine,
                uid: uid,
                bootID: isMapping ? bootID : nil,
                name: object
            )
        )
        return NodeIdentity(name: name, host: host, bootID: bootID, uid: uid)
    }

    static func bootID() throws(KernelError) -> String {
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
