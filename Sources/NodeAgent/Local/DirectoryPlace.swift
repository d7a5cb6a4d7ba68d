import ExactText
import LinuxKernel
import SystemPackage

/// The file system of a volume for kubelet: a directory that exists only while the volume is mounted on it.
///
/// kubelet looks at a link to it, `gate/NAME` (`PlaceGate`). It binds whatever the link leads to, so the bare directory under
/// the mount must never be seen there: a pod would write to the host's memory. Neither a mount nor an unmount makes a
/// directory come or go, but a rename of its parent does, and takes the mount with it:
///
/// | | |
/// | --- | --- |
/// | `ROOT/.new/NAME/volume` | is made, and the volume is bound on it |
/// | `ROOT/NAME/volume` | is what kubelet gets, after the first rename |
/// | `ROOT/.old/NAME/volume` | is unmounted and removed, after the second rename |
///
/// So a path that kubelet resolved leads to the volume or to nothing. What a killed agent left in `.new` and `.old` is
/// removed before the next step. All is below `/run`, so nothing outlives a boot.
///
/// See: rename(2): a directory with a mount below it can be renamed; only a mount point itself cannot.
struct DirectoryPlace: Sendable {
    /// A directory for all volumes: `/run/nacre/node-volumes`.
    let root: String
    /// Where kubelet looks for all volumes: `/run/nacre/node-agent`.
    let gate: String
    /// The PersistentVolume.
    let name: String

    private static let leaf = "volume"
    private static let new = ".new"
    private static let old = ".old"

    /// Where the volume is mounted.
    var path: String { "\(parent)/\(Self.leaf)" }
    /// Where kubelet looks.
    var seenPath: String { Self.path(of: name, in: gate) }
    private var parent: String { "\(root)/\(name)" }
    private var newParent: String { "\(root)/\(Self.new)/\(name)" }
    private var oldParent: String { "\(root)/\(Self.old)/\(name)" }

    /// The path of a PersistentVolume for kubelet.
    static func path(of name: String, in gate: String) -> String { "\(gate)/\(name)/\(leaf)" }

    /// The names of all volumes that have something below `root`.
    static func names(in root: String) throws(KernelError) -> Set<String> {
        var names: Set<String> = []
        for directory in [root, "\(root)/\(new)", "\(root)/\(old)"] where try FileKind.of(directory) != nil {
            names.formUnion(try KernelFile.names(in: directory).filter { $0 != new && $0 != old })
        }
        return names
    }

    /// The mount that kubelet gets; `nil` if it gets nothing.
    func mount(in table: MountTable) -> MountTable.Mount? { table.mount(at: path) }

    /// The devices of all mounts of the place, also of those that an agent left behind.
    func devices(in table: MountTable) -> Set<DeviceNumber> {
        Set([parent, newParent, oldParent].compactMap { table.mount(at: "\($0)/\(Self.leaf)")?.device })
    }

    /// Whether a mount is the place's own, or the staged one, whose path ends as kubelet's.
    ///
    /// A mount can be seen at more than one path where directories of the host are bound to each other.
    func isOwn(_ mount: MountTable.Mount) -> Bool {
        ([parent, newParent, oldParent].map { "\($0)/\(Self.leaf)" } + [seenPath])
            .contains { mount.mountPoint.endsExactly(with: $0) }
    }

    /// Makes the volume that is mounted at `staging` appear; succeeds if it is there.
    ///
    /// - Parameters:
    ///   - staging: Where the volume's root is mounted.
    ///   - step: Called before each step.
    /// - Returns: Whether it was not there before.
    /// - Throws: `KernelError`; then the place may be as it was.
    func show(_ staging: String, _ step: (DeliveryStep) -> Void) throws(KernelError) -> Bool {
        let table = try MountTable.current()
        guard let staged = table.mount(at: staging), staged.root == "/" else {
            throw KernelError("bind", .staleNFSFileHandle, staging)
        }
        let isShown = table.mount(at: path).map { $0.device == staged.device && $0.root == "/" } ?? false
        // What is there otherwise is on a dead device, or nobody's.
        if !isShown, try FileKind.of(parent) != nil { try hide(step) }
        try remove(oldParent, mayDetach: true, step)
        try remove(newParent, mayDetach: true, step)
        guard !isShown else { return false }
        step(.makingPlace)
        try KernelFile.makeDirectories("\(root)/\(Self.old)")
        let point = "\(newParent)/\(Self.leaf)"
        let place = try MountPlace(point, makingParents: 0o700)
        try place.makeDirectory(mode: 0)
        step(.bindingPlace)
        try place.bind(MountPlace(staging)) { $0.kind == .directory && $0.device == staged.device }
        step(.showingPlace)
        try KernelFile.rename(newParent, to: parent)
        return true
    }

    /// Makes the place disappear, unless it is used.
    ///
    /// - Parameters:
    ///   - isUsed: Asked when nobody can find the place any more.
    ///   - step: Called before each step.
    /// - Returns: Whether it is gone; otherwise all is as it was.
    /// - Throws: `KernelError` if it cannot be unmounted; it may then be hidden, and the next call goes on.
    func withdraw(
        unless isUsed: (MountTable) -> Bool,
        _ step: (DeliveryStep) -> Void
    ) throws(KernelError) -> Bool {
        try remove(newParent, mayDetach: true, step)
        if try FileKind.of(parent) != nil { try hide(step) }
        // kubelet may have bound it until just now.
        guard try !isUsed(.current()) else {
            step(.showingPlace)
            if try FileKind.of(oldParent) != nil { try KernelFile.rename(oldParent, to: parent) }
            return false
        }
        try remove(oldParent, mayDetach: false, step)
        return true
    }

    /// Renames it, after what an earlier agent left to remove is gone.
    private func hide(_ step: (DeliveryStep) -> Void) throws(KernelError) {
        try remove(oldParent, mayDetach: true, step)
        step(.hidingPlace)
        try KernelFile.makeDirectories("\(root)/\(Self.old)")
        try KernelFile.rename(parent, to: oldParent)
    }

    /// Removes a directory that kubelet cannot see, and the mount in it.
    private func remove(
        _ directory: String,
        mayDetach: Bool,
        _ step: (DeliveryStep) -> Void
    ) throws(KernelError) {
        guard try FileKind.of(directory) != nil else { return }
        let place = try MountPlace("\(directory)/\(Self.leaf)")
        while try place.mount() != nil {
            step(.unmountingPlace)
            do throws(KernelError) {
                try place.unmount()
            } catch  where mayDetach && error.errno == .resourceBusy {
                try place.detach()
            }
        }
        step(.removingPlace)
        try place.removeEmpty()
        try KernelFile.removeDirectory(directory)
    }
}
