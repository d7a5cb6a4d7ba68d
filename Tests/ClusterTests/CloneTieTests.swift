import Foundation
import RADOS
import RBD
import Secrets
import TestSupport
import Testing
import Volumes

/// A volume that clones were made of: what is said of it is done here, command by command, in its order.
@Suite("Clones that hold a volume", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct CloneTieTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let uuid = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }

    init() throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "rbd")
    }

    /// Clones, and what must be said of them.
    struct Clones: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let preparation: String
        /// With `NAME` for the volume's image.
        let words: [String]
        /// What is left of the clones and must go in the end.
        let rest: String
        /// What must not be said.
        var unsaid: [String] = []
        /// Holds when the advice was followed.
        var proof = ""

        private static let old = "rbd clone --rbd-default-clone-format 1"

        static let all = [
            Clones(
                testDescription: "one of format 1",
                preparation: """
                    rbd snap create --no-progress $image@base; rbd snap protect $image@base
                    \(old) $image@base $image-clone
                    """,
                words: ["snapshot base", "rbd flatten rbd/NAME-clone", "rbd snap unprotect rbd/NAME@base"],
                rest: "$image-clone"
            ),
            Clones(
                testDescription: "one of format 1 that has a snapshot of its own and no deep-flatten",
                preparation: """
                    rbd snap create --no-progress $image@base; rbd snap protect $image@base
                    \(old) --image-feature layering $image@base $image-clone
                    rbd snap create --no-progress $image-clone@own
                    """,
                words: [
                    "rbd flatten rbd/NAME-clone",
                    "when nobody needs its own snapshots: rbd snap purge rbd/NAME-clone",
                ],
                rest: "$image-clone"
            ),
            Clones(
                testDescription: "two of format 1 in two pools, of two snapshots, and one that nobody cloned",
                preparation: """
                    for n in a b c; do rbd snap create --no-progress $image@$n; rbd snap protect $image@$n; done
                    \(old) $image@a $image-clone; \(old) $image@b "replicapool/$name a clone"
                    """,
                words: ["rbd flatten rbd/NAME-clone", "rbd flatten 'replicapool/NAME a clone'"],
                rest: #"$image-clone "replicapool/$name a clone""#
            ),
            Clones(
                testDescription: "one of format 1 that has a snapshot of its own",
                preparation: """
                    rbd snap create --no-progress $image@base; rbd snap protect $image@base
                    \(old) $image@base $image-clone; rbd snap create --no-progress $image-clone@own
                    """,
                words: ["rbd flatten rbd/NAME-clone"],
                rest: "$image-clone",
                unsaid: ["needs its own snapshots"],
                proof: "rbd snap ls $image-clone | grep -w own"
            ),
            Clones(
                testDescription: "one of format 1 that lies in the trash",
                preparation: """
                    rbd snap create --no-progress $image@base; rbd snap protect $image@base
                    \(old) $image@base $image-clone; rbd trash mv $image-clone
                    """,
                words: ["rbd trash restore rbd/", "rbd flatten rbd/NAME-clone"],
                rest: "$image-clone"
            ),
            Clones(
                testDescription: "one of format 2 of a snapshot that is there",
                preparation: """
                    rbd snap create --no-progress $image@base
                    rbd clone --rbd-default-clone-format 2 $image@base replicapool/$name-clone
                    """,
                words: ["rbd flatten replicapool/NAME-clone"],
                rest: "replicapool/$name-clone"
            ),
            Clones(
                testDescription: "one of format 2 of a snapshot that is gone",
                preparation: """
                    rbd snap create --no-progress $image@base
                    rbd clone --rbd-default-clone-format 2 $image@base $image-clone
                    rbd snap rm --no-progress $image@base
                    """,
                words: ["rbd flatten rbd/NAME-clone"],
                rest: "$image-clone"
            ),
        ]
    }

    private func bench() throws -> VolumeBehaviour.Bench {
        VolumeBehaviour.Bench(
            service: cluster.lab().service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
    }

    private func shell(_ script: String) async throws {
        try await cluster.execute("bash", "-ec", "name=\(image) image=rbd/\(image)\n\(script)")
    }

    private func refusal(_ body: () async throws -> Void) async -> VolumeError? {
        do {
            try await body()
            Issue.record("it was done")
            return nil
        } catch {
            return error as? VolumeError
        }
    }

    /// The commands of a message, in its order: what stands in brackets is another way.
    private func commands(_ message: String, isRemoval: Bool) -> [String] {
        var text = message
        if isRemoval {
            text = text.replacing(/rbd flatten [^;(]+ \(or (?<way>rbd [^;)]+)\)/) { String($0.output.way) }
        }
        text = text.replacing(/\([^)]*\)/, with: "")
        let pattern = /rbd (?:flatten|rm|snap unprotect|snap purge|trash restore|trash rm) [^;]+/
        return text.matches(of: pattern).map { String($0.output).trimmingCharacters(in: .whitespaces) }
    }

    @Test("What is said of a volume with clones ends what holds it, done once in its order", arguments: Clones.all)
    func advice(_ clones: Clones) async throws {
        for isRemoval in clones.testDescription == "one of format 1" ? [false, true] : [false] {
            let bench = try bench()
            let handle = try await bench.create(bench.request(uuid)).id.description
            try await shell(clones.preparation)
            let error = try #require(await refusal { try await bench.delete(handle) })
            #expect(error.code == .failedPrecondition)
            for word in clones.words {
                #expect(error.message.contains(word.replacing("NAME", with: image)), "\(error.message)")
            }
            for word in clones.unsaid { #expect(!error.message.contains(word), "\(error.message)") }
            let commands = commands(error.message, isRemoval: isRemoval)
            #expect(commands.count >= 1, "\(error.message)")
            for command in commands {
                do {
                    try await cluster.execute("bash", "-ec", command)
                } catch {
                    Issue.record("'\(command)' failed: \(error)")
                }
            }
            if !clones.proof.isEmpty { try await shell(clones.proof) }
            do {
                try await bench.delete(handle)
                #expect(try await census.hasNoTrace(of: image))
            } catch {
                Issue.record("the advice did not end it: \(error)")
            }
            if !isRemoval {
                let end = #"rbd snap purge --no-progress "$i"; rbd rm --no-progress "$i""#
                try await shell("for i in \(clones.rest); do \(end); done")
            }
        }
    }

    @Test("A clone in a pool that the user may not read is told by its id and pool, and how to learn its name")
    func unreadable() async throws {
        let bench = try bench()
        let volume = try await bench.create(bench.request(uuid))
        try await shell(
            """
            rbd snap create --no-progress $image@base; rbd snap protect $image@base
            rbd clone --rbd-default-clone-format 1 $image@base replicapool/$name-clone
            """
        )
        let user = "clones\(UInt32.random(in: 0...UInt32.max))"
        let key = try await cluster.execute(
            "sh",
            "-ec",
            "ceph auth get-or-create-key client.\(user) mon 'profile rbd' osd 'profile rbd pool=rbd'"
        )
        let credentials = Credentials(userID: user, userKey: Secret(key.filter { !$0.isWhitespace }))
        let error = try #require(
            await refusal {
                try await bench.service.deleteVolume(
                    volume.id.description,
                    credentials: credentials,
                    deadline: .now + .seconds(60)
                )
            }
        )
        let there = try PoolCensus(cluster, pool: "replicapool")
        let id = try #require(try await there.pool.imageID(named: "\(image)-clone"))
        for word in [id, "pool 'replicapool'", "rbd children rbd/\(image)@base"] {
            #expect(error.message.contains(word), "\(error.message)")
        }
        let shown = try await cluster.execute("rbd", "children", "rbd/\(image)@base")
        #expect(shown.contains("replicapool/\(image)-clone"), "\(shown)")
        try await shell(
            """
            rbd rm --no-progress replicapool/$name-clone
            rbd snap unprotect $image@base; rbd snap purge --no-progress $image
            """
        )
        try await bench.delete(volume.id.description)
        try await cluster.execute("ceph", "auth", "rm", "client.\(user)")
    }
}
