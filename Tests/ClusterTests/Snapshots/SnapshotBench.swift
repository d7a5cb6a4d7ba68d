import Foundation
import RADOS
import RBD
import SystemPackage
import TestSupport
import Testing

/// Images with snapshots, made and looked at by Ceph's own `rbd`, for tests of the room RBD.
struct SnapshotBench: Sendable {
    let cluster: MicroCluster
    let census: PoolCensus
    let pool: String
    /// A name that no other test has.
    let name = "snap-\(UUID().uuidString.lowercased())"

    init(pool: String = "rbd") throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: pool)
        self.pool = pool
    }

    /// Runs shell words with `$pool`, `$name` and `$image`; errors of programs are not part of what it returns.
    @discardableResult
    func shell(_ script: String) async throws -> String {
        let words = "export LC_ALL=C.UTF-8 TZ=UTC; pool=\(pool) name=\(name) image=\(pool)/\(name)\n\(script)"
        return try await cluster.execute("bash", "-ec", words)
    }

    /// What a command of `rbd` says in JSON.
    func json<Answer: Decodable>(_ command: String, as _: Answer.Type = Answer.self) async throws -> Answer {
        let text = try await shell("\(command) --format json 2> /dev/null")
        return try JSONDecoder().decode(Answer.self, from: Data(text.utf8))
    }

    /// Writes to an image with librbd: `w:OFFSET:LENGTH` writes bytes, `d:OFFSET:LENGTH` discards them.
    func write(_ parts: [String], to image: String? = nil, in pool: String? = nil) async throws {
        let script = """
            import os, rados, rbd, sys
            cluster = rados.Rados(conffile=os.environ["CEPH_CONF"], name="client.admin")
            cluster.connect()
            with cluster.open_ioctx(sys.argv[1]) as pool, rbd.Image(pool, sys.argv[2]) as image:
                for part in sys.argv[3:]:
                    what, offset, length = part.split(":")
                    if what == "d":
                        image.discard(int(offset), int(length))
                    else:
                        image.write(bytes([ord(what)]) * int(length), int(offset))
            cluster.shutdown()
            """
        let (image, pool) = (image ?? name, pool ?? self.pool)
        let words = "/usr/bin/python3 -c '\(script)' \(pool) \(image) \(parts.joined(separator: " "))"
        try await cluster.execute("bash", "-ec", words)
    }

    /// The id of an image.
    func id(_ image: String? = nil) async throws -> String {
        try #require(try await census.pool.imageID(named: image ?? name))
    }

    /// The snapshots of an image, as the room RBD has them.
    func snapshots(_ image: String? = nil) async throws -> [ImageSnapshot] {
        try #require(try await census.pool.snapshots(ofImageID: try await id(image)))
    }

    /// Does something with the image, opened so.
    func withImage<R: Sendable>(
        _ access: Image.Access,
        _ body: @escaping @Sendable (Image) throws -> R
    ) async throws -> R {
        try await withImage(name, access, body)
    }

    /// Does something with an open image, on a thread for that.
    func withImage<R: Sendable>(
        _ image: String? = nil,
        at snapshot: String? = nil,
        _ access: Image.Access = .readWrite,
        _ body: @escaping @Sendable (Image) throws -> R
    ) async throws -> R {
        let image = image ?? name
        return try await census.blocking { pool in
            let opened = try Image.open(image, at: snapshot, in: pool, access: access)
            defer { opened.close() }
            return try body(opened)
        }
    }

    /// The code of the error that something throws.
    func code(_ body: () async throws -> Void) async -> Errno? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? RBDError)?.code ?? .badMessage
        }
    }

    /// What all of an image holds, as a checksum.
    func checksum(_ image: String? = nil, pool: String? = nil) async throws -> String {
        try await shell(
            "rbd export --no-progress '\(pool ?? self.pool)/\(image ?? name)' - 2> /dev/null | sha256sum | cut -c 1-64"
        )
    }
}
