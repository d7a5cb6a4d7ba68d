import JSON
import Testing

@testable import KubernetesAPI

@Suite("The cache and its indexes")
struct CacheTests {
    private func storageClass(_ name: String, provisioner: String, version: String = "1") throws -> StorageClass {
        try #require(
            StorageClass([
                "metadata": ["name": .string(name), "uid": .string("u-\(name)"), "resourceVersion": .string(version)],
                "provisioner": .string(provisioner),
            ])
        )
    }

    @Test("An object is found by its key and by its index, and by the new one after a change")
    func indexes() throws {
        let cache = ObjectCache<StorageClass>(indexes: [{ $0.provisioner.isEmpty ? nil : $0.provisioner }])
        cache.put(try storageClass("a", provisioner: "x"))
        cache.put(try storageClass("b", provisioner: "x"))
        #expect(cache.count(in: 0, "x") == 2)
        cache.put(try storageClass("a", provisioner: "y", version: "2"))
        #expect(cache.objects(in: 0, "x").map(\.metadata.name) == ["b"])
        #expect(cache.objects(in: 0, "y").map(\.metadata.name) == ["a"])
        cache.put(try storageClass("b", provisioner: "", version: "2"))
        #expect(cache.objects(in: 0, "x").isEmpty)
        #expect(cache.remove("a")?.metadata.name == "a")
        #expect(cache.objects(in: 0, "y").isEmpty)
        #expect(cache.count == 1)
    }

    @Test("A back-off doubles to its limit and starts again when it is told")
    func backoff() {
        var backoff = Backoff(first: .seconds(1), longest: .seconds(300), jitter: 0)
        #expect(
            (0..<11).map { _ in backoff.next().components.seconds } == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        )
        backoff.reset()
        #expect(backoff.next() == .seconds(1))
        var jittered = Backoff(first: .seconds(1), longest: .seconds(8), jitter: 0.5)
        for wait in [1.0, 2, 4, 8, 8] {
            let next = jittered.next() / .seconds(1)
            #expect(next >= wait && next <= wait * 1.5)
        }
    }
}
