import Foundation
import JSON
import KubernetesAPI
import TestSupport
import Testing

extension World {
    /// Runs `nacre recover` on this test's pool.
    func recover(_ words: String..., isAlone: Bool = false) async throws -> Output {
        let process = try recovery(words, isAlone: isAlone)
        let end = try await process.process.end()
        // What it reports, and then what it says of that.
        let texts = [process.log, "\(process.log).said"].map {
            (try? String(contentsOfFile: $0, encoding: .utf8)) ?? ""
        }
        return Output(text: texts.joined(), end: end)
    }

    /// Starts `nacre recover`; alone, it has no Kubernetes.
    func recovery(_ words: [String], isAlone: Bool = false) throws -> (process: ChildProcess, log: String) {
        let log = "\(directory)/recover-\(UInt32.random(in: 0...UInt32.max)).log"
        let kubernetes = isAlone ? [] : ["--kubeconfig", try KubeLab.administrator]
        let process = try ChildProcess(
            "/bin/sh",
            ["-c", "exec \"$@\" 2> '\(log).said'", "sh", NacreProcess.program, "recover", "--pool", World.pool] + words
                + kubernetes + ["--config", cluster.configurationPath, "--secret-dir", cluster.provisionerSecret],
            environment: ["KUBECONFIG": ""],
            log: log
        )
        return (process, log)
    }

    /// Runs a line of Ceph's programs as the administrator and returns what it printed.
    @discardableResult
    func ceph(_ line: String) async throws -> String { try await cluster.execute("sh", "-ec", line) }

    /// All there is of images in the pool: each object's data, size and time, omap and xattrs, and their names.
    func everything(of images: [String]) async throws -> String {
        let text = images.joined(separator: " ")
        return try await ceph(
            """
            pool=\(World.pool)
            for image in \(text); do
              id=$(rbd info $pool/$image --format json | sed 's/.*"id":"\\([^"]*\\)".*/\\1/')
              rados -p $pool ls | grep -e "$id" -e "$image" | sort | while read -r object; do
                echo "== $object"
                rados -p $pool stat "$object"
                rados -p $pool get "$object" - | md5sum
                rados -p $pool listomapvals "$object"
                for key in $(rados -p $pool listxattr "$object"); do
                  echo "$key $(rados -p $pool getxattr "$object" "$key" | md5sum)"
                done
              done
            done
            rados -p $pool listomapvals rbd_directory | md5sum
            rados -p $pool listomapvals rbd_trash 2> /dev/null | md5sum || true
            """
        )
    }

    /// Takes this test's PersistentVolumes and claims out of Kubernetes as a loss of etcd does: nobody is told, no controller may
    /// run, and the images stay.
    func loseObjects() async throws {
        let bare: JSONValue = ["metadata": ["finalizers": .null]]
        for volume in try await volumes() {
            let path = APIPath.persistentVolume(volume.metadata.name)
            _ = try await client.call(APICall(.delete, path))
            _ = try? await client.call(.patch(path, .merge, bare))
        }
        for claim in try await claims() {
            let path = APIPath.claim(name, claim.metadata.name)
            _ = try await client.call(APICall(.delete, path))
            _ = try? await client.call(.patch(path, .merge, bare))
        }
        try await eventually("the objects are lost") {
            let (volumes, claims) = (try await volumes(), try await claims())
            return volumes.isEmpty && claims.isEmpty
        }
    }
}
