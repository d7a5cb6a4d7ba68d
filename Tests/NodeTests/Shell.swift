import Glibc
import ImageMapping
import ImageServing
import LinuxKernel
import NodeMapping
import NodeTestSupport
import Subprocess
import SystemPackage
import Testing
import Volumes

/// Runs a shell line within 120 s and returns its output; records an issue if it fails.
@discardableResult
func shell(_ line: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> String {
    let result = try await Subprocess.run(
        .path("/usr/bin/timeout"),
        arguments: ["120", "/bin/sh", "-c", "exec 2>&1; " + line],
        output: .string(limit: 1 << 20)
    )
    #expect(result.terminationStatus.isSuccess, "\(line): \(result.standardOutput)", sourceLocation: sourceLocation)
    return result.standardOutput
}

/// The rbd program as the administrator.
func rbd(_ words: String) async throws -> String {
    try await shell("rbd -c \(NodeLab.clusterDirectory ?? "")/ceph.conf \(words)")
}

/// Removes an image of pool rbd, as soon as Ceph has forgotten the clients that were killed: for half a minute it believes that
/// they have it open.
func removeImage(_ image: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let conf = "\(NodeLab.clusterDirectory ?? "")/ceph.conf"
    let end = ContinuousClock.now + .seconds(90)
    while .now < end {
        let said = try await shell("rbd -c \(conf) rm --no-progress rbd/\(image) || echo refused")
        if !said.contains("refused") { return }
        guard said.contains("still has watchers") else { break }
        try await Task.sleep(for: .seconds(1))
    }
    try await shell("rbd -c \(conf) rm --no-progress rbd/\(image)", sourceLocation: sourceLocation)
}

/// Creates an image of pool rbd that has the mark of Nacre's, as the controller's images have.
func makeImage(_ image: String, megabytes: Int, features: String = "") async throws {
    let conf = "\(NodeLab.clusterDirectory ?? "")/ceph.conf"
    try await shell(
        "rbd -c \(conf) create rbd/\(image) --size \(megabytes)M \(features) && "
            + "rbd -c \(conf) image-meta set rbd/\(image) nacre.io/request-name \(image)"
    )
}

extension NodeLab {
    /// A lab in a directory of its own, its image made and its staging directory there.
    static func fresh(_ image: String, megabytes: Int = 256, placement: ServerPlacement = .stay) async throws -> NodeLab
    {
        let lab = try NodeLab(directory: "/tmp/nacre-node-\(getpid())-\(image)", placement: placement)
        try KernelFile.makeDirectories(lab.stagingPath(image))
        try KernelFile.makeDirectories("\(lab.directory)/pods")
        try await makeImage(image, megabytes: megabytes)
        return lab
    }

    /// Removes image and directory once nothing uses them.
    func remove(_ image: String) async throws {
        try await removeImage(image)
        try await shell("rmdir \(stagingPath(image)); rm -r --one-file-system \(directory)")
    }

    /// Everything that may be left of a volume.
    func remains() throws -> [String] {
        var remains = try mapper().inspect().map { "mapping \($0.name)" }
        remains += try MountTable.current().mounts.filter { $0.mountPoint.hasPrefix(directory) }
            .map { "mount \($0.mountPoint)" }
        for name in try KernelFile.names(in: "/sys/block") where name.hasPrefix("loop") {
            if let file = KernelFile.firstLine("/sys/block/\(name)/loop/backing_file"), file.contains(directory) {
                remains.append("loop \(name) on \(file)")
            }
        }
        remains += ((try? KernelFile.names(in: "\(directory)/volumes")) ?? []).map { "record \($0)" }
        for pid in try KernelFile.names(in: "/proc").compactMap({ Int32($0) }) {
            guard let status = try? KernelFile.text("/proc/\(pid)/stat"), status.contains("(NodeTestProcess)"),
                let log = try? shellFreeLink("/proc/\(pid)/fd/2"), log.contains(directory)
            else { continue }
            remains.append("server \(pid)")
        }
        return remains
    }

    /// Sends a signal to every process that serves this node's images.
    ///
    /// Server and keeper would restart each other, so they are stopped before they are killed.
    func signalServers(_ number: CInt) throws {
        let pids = try remains().filter { $0.hasPrefix("server ") }.compactMap { Int32($0.dropFirst(7)) }
        for signal in number == SIGKILL ? [SIGSTOP, SIGKILL] : [number] {
            for pid in pids.sorted() { try ProcessIdentity(of: pid)?.send(signal) }
        }
    }

    /// Waits until another server of the image answers on its socket.
    func successor(of server: ProcessIdentity, _ image: String) async throws -> ProcessIdentity {
        try await eventually("a successor of the server") {
            guard let status = status(image), let found = status.server, found != server else { return nil }
            return status.statistics == nil ? nil : found
        }
    }

    /// Repeats `look` until it returns a value, for at most three minutes.
    func eventually<R>(_ what: String, _ look: () throws -> R?) async throws -> R {
        let deadline = ContinuousClock.now + .seconds(180)
        while .now < deadline {
            if let found = try look() { return found }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw VolumeError(.internal, "no \(what) within three minutes")
    }

    private func shellFreeLink(_ path: String) throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A deadline that no test should reach.
var soon: ContinuousClock.Instant { .now + .seconds(100) }
