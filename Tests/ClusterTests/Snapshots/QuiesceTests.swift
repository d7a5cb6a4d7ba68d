import Foundation
import RADOS
import RBD
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Who watches an image for quiescence is asked by any program that makes a snapshot.
@Suite("Quiescence before a snapshot", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct QuiesceTests {
    let bench: SnapshotBench

    init() throws { bench = try SnapshotBench() }

    /// What came, in its order.
    final class Record: Sendable {
        private let words = Mutex<[String]>([])
        var all: [String] { words.withLock { $0 } }
        func add(_ word: String) { words.withLock { $0.append(word) } }
    }

    /// An open image with a watch that answers each question after a moment.
    private func watch(_ record: Record, answering failure: Errno?) async throws -> (Image, QuiesceWatch) {
        let name = bench.name
        return try await bench.census.blocking { pool in
            let image = try Image.open(name, in: pool, access: .readWrite)
            let watch = try image.watchForQuiescence {
                record.add("quiesce")
                let request = $0
                Task {
                    try? await Task.sleep(for: .milliseconds(300))
                    record.add("answer")
                    request.complete(failure)
                    // One answer is enough.
                    request.complete(failure)
                }
            } unquiesce: {
                record.add("unquiesce")
            }
            return (image, watch)
        }
    }

    @Test("It is asked before the snapshot, waited for, and told afterwards; by `rbd`, by us and for a group")
    func asked() async throws {
        try await bench.shell(
            "rbd create --size 8M $image; rbd group create $image-group; rbd group image add $image-group $image"
        )
        let record = Record()
        let (image, watch) = try await watch(record, answering: nil)
        let once = ["quiesce", "answer", "unquiesce"]
        try await bench.shell("rbd snap create --no-progress $image@one")
        try await eventually("it was asked") { record.all == once }
        try await bench.census.blocking { _ in try image.createSnapshot("two") }
        try await eventually("it was asked twice") { record.all == once + once }
        let group = "\(bench.name)-group"
        try await bench.census.blocking { try $0.createGroupSnapshot("three", ofGroup: group) }
        try await eventually("it was asked for a group") { record.all == once + once + once }
        #expect(try await bench.snapshots().count == 3)

        // Whoever asks for that is not held up.
        try await bench.shell("rbd snap create --no-progress --skip-quiesce $image@four")
        #expect(record.all.count == 9)
        await bench.census.blocking { _ in watch.end() }
        try await bench.shell("rbd snap create --no-progress $image@five")
        #expect(record.all.count == 9)
        await bench.census.blocking { _ in image.close() }
        try await bench.shell(
            "rbd group rm $image-group; rbd snap purge --no-progress $image; rbd rm --no-progress $image"
        )
    }

    @Test("A refusal makes no snapshot, unless its maker ignores that")
    func refused() async throws {
        try await bench.shell("rbd create --size 8M $image")
        let record = Record()
        let (image, watch) = try await watch(record, answering: .ioError)
        await #expect(throws: (any Error).self) { try await bench.shell("rbd snap create --no-progress $image@one") }
        let refused = await bench.code { try await bench.census.blocking { _ in try image.createSnapshot("one") } }
        #expect(refused != nil)
        #expect(try await bench.snapshots().isEmpty)
        try await bench.shell("rbd snap create --no-progress --ignore-quiesce-error $image@two")
        #expect(try await bench.snapshots().map(\.name) == ["two"])
        await bench.census.blocking { _ in
            watch.end()
            image.close()
        }
        try await bench.shell("rbd snap purge --no-progress $image; rbd rm --no-progress $image")
    }

    @Test("A watch that ends while it is asked refuses, and holds up nobody")
    func ended() async throws {
        try await bench.shell("rbd create --size 8M $image")
        let record = Record()
        let name = bench.name
        let (image, watch) = try await bench.census.blocking { pool in
            let image = try Image.open(name, in: pool, access: .readWrite)
            let watch = try image.watchForQuiescence {
                _ in
                record.add("quiesce")
            } unquiesce: {
                record.add("unquiesce")
            }
            return (image, watch)
        }
        async let outcome = bench.code { try await bench.shell("rbd snap create --no-progress $image@one") }
        try await eventually("it was asked") { record.all.contains("quiesce") }
        await bench.census.blocking { _ in watch.end() }
        #expect(await outcome != nil)
        await bench.census.blocking { _ in image.close() }
        try await bench.shell("rbd snap purge --no-progress $image; rbd rm --no-progress $image")
    }
}
