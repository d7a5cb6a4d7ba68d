internal import ExactText
internal import Glibc
internal import SystemPackage

/// Something that keeps a block device busy.
public enum DeviceHolder: Sendable, Hashable, CustomStringConvertible {
    /// A mount, seen from a process in its mount namespace.
    case mount(point: String, process: Int32, program: String)
    /// A process that has it open.
    case process(Int32, program: String)
    /// A device that stands on it: device-mapper, md, a loop device.
    case device(String)
    /// Swap space.
    case swap

    /// For a sentence: `mounted at '/mnt' (mount namespace of process 77, postgres)`.
    public var description: String {
        switch self {
        case .mount(let point, let process, let program):
            "mounted at '\(point)' in the mount namespace of process \(process) (\(program))"
        case .process(let process, let program): "open in process \(process) (\(program))"
        case .device(let name): "used by \(name)"
        case .swap: "used as swap space"
        }
    }
}

/// Finds who keeps a block device busy, where the kernel only says EBUSY.
public struct DeviceHolders: Sendable {
    private let sysfs: String
    private let proc: String

    /// Looks below these roots; others than the kernel's own are for tests.
    public init(sysfs: String = "/sys", proc: String = "/proc") {
        self.sysfs = sysfs
        self.proc = proc
    }

    /// Everything that holds the device or a partition of it, as far as this process may look; its name is `rbd0`.
    public func holders(of name: String) -> [DeviceHolder] {
        let names = [name] + partitions(of: name)
        let numbers = names.compactMap { KernelFile.firstLine("\(sysfs)/class/block/\($0)/dev") }
            .compactMap { DeviceNumber(parsing: $0) }
        return devices(on: names) + swaps(on: names) + mounts(of: Set(numbers), names) + processes(with: names, numbers)
    }

    /// Who holds the device that a call found busy, for a sentence; nothing for another error, and where nobody is seen.
    ///
    /// - Parameter error: Its subject is the device's path, alone or before ` on `.
    /// - Returns: `'/dev/rbd0' is mounted at '/srv' …; open in process 77 (fio)`.
    public func words(for error: KernelError) -> String? {
        let device = error.subject.parts(at: " ").first ?? ""
        guard error.isBusy, device.startsExactly(with: "/dev/") else { return nil }
        let found = holders(of: String(device.dropFirst("/dev/".count))).prefix(6).map(\.description)
        return found.isEmpty ? nil : found.joined(separator: "; ")
    }

    private func partitions(of name: String) -> [String] {
        ((try? KernelFile.names(in: "\(sysfs)/block/\(name)")) ?? [])
            .filter { KernelFile.firstLine("\(sysfs)/block/\(name)/\($0)/partition") != nil }
    }

    private func devices(on names: [String]) -> [DeviceHolder] {
        var holders: [DeviceHolder] = []
        for name in names {
            for holder in (try? KernelFile.names(in: "\(sysfs)/class/block/\(name)/holders")) ?? [] {
                let title = KernelFile.firstLine("\(sysfs)/block/\(holder)/dm/name")
                holders.append(.device(title.map { "device-mapper '\($0)' (\(holder))" } ?? holder))
            }
        }
        for loop in (try? KernelFile.names(in: "\(sysfs)/block")) ?? [] where loop.startsExactly(with: "loop") {
            let file = KernelFile.firstLine("\(sysfs)/block/\(loop)/loop/backing_file")
            if names.contains(where: { file?.isExactly("/dev/\($0)") == true }) { holders.append(.device(loop)) }
        }
        return holders
    }

    private func swaps(on names: [String]) -> [DeviceHolder] {
        let lines = ((try? KernelFile.text("\(proc)/swaps")) ?? "").parts(at: "\n", omittingEmpty: true)
        return lines.contains { line in names.contains { line.startsExactly(with: "/dev/\($0) ") } } ? [.swap] : []
    }

    /// Mounts in every mount namespace; each is looked at once, through one of its processes.
    private func mounts(of numbers: Set<DeviceNumber>, _ names: [String]) -> [DeviceHolder] {
        var seen: Set<String> = []
        var holders: [DeviceHolder] = []
        for pid in pids {
            guard let namespace = link("\(proc)/\(pid)/ns/mnt"), seen.insert(namespace).inserted,
                let text = try? KernelFile.text("\(proc)/\(pid)/mountinfo")
            else { continue }
            for mount in MountTable(text: text).mounts {
                // A bind mount of the device's node has the number of devtmpfs.
                let isNode = names.contains { mount.root.isExactly("/\($0)") && mount.fileSystem == "devtmpfs" }
                // btrfs has a number of its own.
                let isSource = names.contains { mount.source.isExactly("/dev/\($0)") }
                guard numbers.contains(mount.device) || isSource, !isNode else { continue }
                holders.append(.mount(point: mount.mountPoint, process: pid, program: program(pid)))
            }
        }
        return holders
    }

    private func processes(with names: [String], _ numbers: [DeviceNumber]) -> [DeviceHolder] {
        var holders: [DeviceHolder] = []
        for pid in pids where pid != getpid() {
            let directory = "\(proc)/\(pid)/fd"
            let isHolder = ((try? KernelFile.names(in: directory)) ?? []).contains { descriptor in
                // Only names that fit, and those below /dev, are looked at further: a stat of anything else may block.
                guard let target = link("\(directory)/\(descriptor)"),
                    target.startsExactly(with: "/dev/") || names.contains(where: { target.endsExactly(with: "/\($0)") })
                else { return false }
                var status = stat()
                guard stat("\(directory)/\(descriptor)", &status) == 0, status.st_mode & S_IFMT == S_IFBLK else {
                    return false
                }
                return numbers.contains(DeviceNumber(rawValue: UInt64(status.st_rdev)))
            }
            if isHolder { holders.append(.process(pid, program: program(pid))) }
        }
        return holders
    }

    private var pids: [Int32] {
        ((try? KernelFile.names(in: proc)) ?? []).compactMap { Int32($0) }.sorted()
    }

    private func program(_ pid: Int32) -> String { KernelFile.firstLine("\(proc)/\(pid)/comm") ?? "?" }

    private func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
