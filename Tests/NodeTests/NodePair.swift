import Glibc
import ImageServing
import LinuxKernel
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// Whether the image has the exclusive-lock feature, or only Nacre's advisory lock.
enum Feature: String, Sendable, CustomTestStringConvertible, CustomStringConvertible {
    case exclusiveLock = "exclusive-lock"
    case none = "layering"

    static let all = [Feature.exclusiveLock, .none]

    var description: String { rawValue }
    var testDescription: String { rawValue }
}

/// One image and two nodes for it.
struct NodePair {
    let image: String
    let first: NodeLab
    let second: NodeLab

    init(_ image: String, _ feature: Feature, megabytes: Int = 400) async throws {
        self.image = image
        first = try NodeLab(directory: "/tmp/nacre-node-\(getpid())-\(image)-first", placement: .stay)
        second = try NodeLab(directory: "/tmp/nacre-node-\(getpid())-\(image)-second", placement: .stay)
        for lab in [first, second] {
            try KernelFile.makeDirectories(lab.stagingPath(image))
            try KernelFile.makeDirectories("\(lab.directory)/pods")
        }
        try await makeImage(image, megabytes: megabytes, features: "--image-feature layering,\(feature)")
    }

    /// The error of a node that must not get the volume.
    func refusal(of lab: NodeLab, fsType: String? = "ext4") async throws -> String {
        do throws(VolumeError) {
            // Too little for a wait until a dead node's watch has run out.
            let deadline = ContinuousClock.now + .seconds(15)
            try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: deadline)
            Issue.record("\(lab.nodeID) got the volume")
            return ""
        } catch {
            #expect(error.code == .failedPrecondition)
            return error.message
        }
    }

    func down(_ lab: NodeLab) async throws {
        try await lab.run("down", image, "ext4", observer: nil)
    }

    /// The output of `rados lock info` for the holder's lock.
    func holderLock() async throws -> String {
        try await rados("lock info \(header()) nacre_holder")
    }

    /// The cookie of the holder's lock, which the node wrote.
    func holderCookie() async throws -> String {
        let text = try await holderLock()
        let parts = text.components("\"cookie\":\"")
        return String(try #require(parts.last).prefix { $0 != "\"" })
    }

    /// Replaces the cookie.
    func replaceHolder(_ cookie: String, by other: String) async throws {
        let info = try await holderLock()
        let client = String(try #require(info.components("\"name\":\"client.").last).prefix { $0.isNumber })
        let header = try await header()
        _ = try await rados("lock break \(header) nacre_holder client.\(client) --lock-cookie '\(cookie)'")
        _ = try await rados("lock get \(header) nacre_holder --lock-cookie '\(other)' --lock-type exclusive")
    }

    private func header() async throws -> String {
        let info = try await rbd("info rbd/\(image)")
        return "rbd_header." + String(try #require(info.components("id: ").last).prefix { !$0.isWhitespace })
    }

    private func rados(_ words: String) async throws -> String {
        try await shell("rados -c \(NodeLab.clusterDirectory ?? "")/ceph.conf -p rbd \(words)")
    }

    /// Runs the program itself as the node's user.
    func nacre(_ words: String, fails: Bool = false) async throws -> String {
        struct Failed: Error {}
        let directory = NodeLab.clusterDirectory ?? ""
        let program = first.program.split(separator: "/").dropLast().joined(separator: "/")
        let command =
            "/\(program)/nacre \(words) --config \(directory)/config.json --secret-dir \(directory)/secrets/csi-rbd-node"
        guard fails else { return try await shell(command) }
        let answer = try await shell("\(command) < /dev/null || echo refused")
        if answer.contains("refused") { throw Failed() }
        return answer
    }

    /// Removes everything, and checks it.
    func end(fsType: String? = "ext4") async throws {
        for lab in [first, second] { try await lab.run("down", image, fsType, observer: nil) }
        #expect(try first.remains() + second.remains() == [])
        try await removeImage(image)
        try await shell("rmdir \(first.stagingPath(image)) \(second.stagingPath(image))")
        try await shell("rm -r --one-file-system \(first.directory) \(second.directory)")
    }
}

extension String {
    /// The parts between `separator`s.
    fileprivate func components(_ separator: String) -> [Substring] {
        split(separator: separator, omittingEmptySubsequences: false)
    }
}
