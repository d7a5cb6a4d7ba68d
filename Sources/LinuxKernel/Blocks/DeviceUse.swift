internal import ExactText
internal import Glibc

/// Who uses block devices: mounts in all mount namespaces that we can see, swap, open files.
public struct DeviceUse: Sendable {
    /// A mount and the process in whose namespace it is.
    public struct Place: Sendable, Hashable {
        /// Where it is mounted, as seen there.
        public let mountPoint: String
        /// A process that sees it; our own namespace has none.
        public let process: Int?
        /// The device or name that was mounted.
        public let source: String
        /// The device number of the super block.
        public let device: DeviceNumber
    }

    /// A process that has a device open.
    public struct Opener: Sendable, Hashable {
        /// Its number.
        public let process: Int
        /// Its name.
        public let name: String
        /// How it was called.
        public var arguments: [String] = []
    }

    private let proc: String
    /// Every mount once, our own namespace's first.
    public let mounts: [Place]
    /// The swap areas in use.
    public let swaps: SwapTable

    /// Looks at all processes below `proc`.
    public init(proc: String = "/proc") {
        self.proc = proc
        swaps = SwapTable.current(proc: proc)
        var seenNamespaces: Set<String> = []
        var places: [Place] = []
        let processes = ((try? KernelFile.names(in: proc)) ?? []).compactMap { Int($0) }.sorted()
        for process in [nil] + processes.map(Optional.some) {
            let directory = "\(proc)/\(process.map(String.init) ?? "self")"
            let namespace = Self.link("\(directory)/ns/mnt") ?? process.map { "pid \($0)" } ?? "self"
            guard seenNamespaces.insert(namespace).inserted,
                let text = try? KernelFile.text("\(directory)/mountinfo")
            else { continue }
            places += MountTable(text: text).mounts.map {
                Place(mountPoint: $0.mountPoint, process: process, source: $0.source, device: $0.device)
            }
        }
        mounts = places
    }

    /// Where a device is mounted.
    ///
    /// Some file systems (btrfs, ZFS) show numbers of their own, so the source is compared, too.
    public func mounts(of node: BlockNode) -> [Place] {
        let names = [node.path] + (node.mapping.map { ["/dev/mapper/\($0.name)"] } ?? [])
        return mounts.filter { $0.device == node.device || names.contains($0.source) }
    }

    /// The processes that have a device open.
    public func openers(of node: BlockNode) -> [Opener] {
        processes.filter { devices(of: $0).contains(node.device) }.map {
            Opener(process: $0, name: KernelFile.firstLine("\(proc)/\($0)/comm") ?? "?")
        }
    }

    /// The processes that have a device open to write, or could: not ours.
    public func writers(of node: BlockNode) -> [Opener] {
        openers(of: node).filter { opener in
            let directory = "\(proc)/\(opener.process)"
            return descriptors(of: opener.process).contains { name, device in
                guard device == node.device, let info = try? KernelFile.text("\(directory)/fdinfo/\(name)"),
                    let line = info.parts(at: "\n", omittingEmpty: true).first(where: {
                        $0.startsExactly(with: "flags:")
                    }),
                    let flags = Int32(line.drop { !$0.isNumber }, radix: 8)
                else { return false }
                return flags & O_ACCMODE != O_RDONLY
            }
        }
    }

    /// The devices that processes of one program have open, and which processes those are.
    public func devices(openIn program: String) -> [DeviceNumber: [Opener]] {
        var found: [DeviceNumber: [Opener]] = [:]
        for process in processes where KernelFile.firstLine("\(proc)/\(process)/comm") == program {
            let command = (try? KernelFile.bytes("\(proc)/\(process)/cmdline")) ?? []
            let words = command.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            let opener = Opener(process: process, name: program, arguments: words)
            for device in devices(of: process) { found[device, default: []].append(opener) }
        }
        return found
    }

    private var processes: [Int] {
        ((try? KernelFile.names(in: proc)) ?? []).compactMap { Int($0) }.filter { $0 != getpid() }
    }

    private func devices(of process: Int) -> Set<DeviceNumber> { Set(descriptors(of: process).map(\.device)) }

    private func descriptors(of process: Int) -> [(name: String, device: DeviceNumber)] {
        let directory = "\(proc)/\(process)/fd"
        let names = (try? KernelFile.names(in: directory)) ?? []
        return names.compactMap { name in
            // Only what is named below /dev is looked at: a file of a dead server would block us.
            guard let target = Self.link("\(directory)/\(name)"), target.startsExactly(with: "/dev/") else {
                return nil
            }
            var status = stat()
            guard stat("\(directory)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFBLK else { return nil }
            return (name, DeviceNumber(rawValue: UInt64(status.st_rdev)))
        }
    }

    static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count - 1)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
