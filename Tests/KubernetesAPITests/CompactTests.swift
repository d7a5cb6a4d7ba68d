import ExactText
import JSON
import Testing

@testable import KubernetesAPI

@Suite("What the cache keeps of many objects")
struct CompactTests {
    @Test(
        "A uid comes back as it was, whatever it looks like",
        arguments: [
            "5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b10", "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff", "5A1E1F8A-3C0E-4F62-9A51-0C5A6C5D7B10", "class", "",
            "5a1e1f8a03c0e-4f62-9a51-0c5a6c5d7b10", "5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b1g",
            "5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b101",
        ]
    )
    func uid(_ text: String) {
        #expect(ObjectUID(text).text == text)
        #expect(ObjectUID(text) == ObjectUID(text))
        #expect(ObjectUID(text) != ObjectUID("01234567-89ab-cdef-0123-456789abcdef"))
    }

    @Test("A claim that is being deleted keeps its finalizers in the cache, one that just is there does not")
    func finalizers() throws {
        let metadata: JSONValue = [
            "name": "c", "namespace": "n", "uid": "u", "resourceVersion": "1",
            "finalizers": ["kubernetes.io/pvc-protection"],
        ]
        let rest: JSONValue = ["phase": "Bound", "capacity": ["storage": "1Gi"]]
        let claim = try #require(PersistentVolumeClaim(["metadata": metadata, "status": rest]))
        #expect(claim.compact.details == nil)
        let doomed = metadata.with("deletionTimestamp", "2026-01-01T00:00:00Z")
        let deleted = try #require(PersistentVolumeClaim(["metadata": doomed, "status": rest]))
        #expect(deleted.compact.details?.finalizers == ["kubernetes.io/pvc-protection"])
    }

    @Test("What is kept once for many objects keeps its bytes, also beside a spelling that looks the same")
    func interned() {
        for text in ["a-class-with-a-long-name-caf\u{E9}", "a-class-with-a-long-name-cafe\u{301}"] {
            #expect(Interned.string(text).isExactly(text))
            #expect(Interned.string(text).isExactly(text))
        }
    }

    @Test("An index of one, of several and of none again")
    func index() throws {
        let cache = ObjectCache<StorageClass>(indexes: [{ $0.provisioner }])
        for number in 0..<3 {
            cache.put(
                try #require(
                    StorageClass([
                        "metadata": ["name": "c\(number)", "uid": "u\(number)", "resourceVersion": "1"],
                        "provisioner": "p",
                    ])
                )
            )
            #expect(cache.count(in: 0, "p") == number + 1)
        }
        for number in 0..<3 {
            cache.remove("c\(number)")
            #expect(cache.objects(in: 0, "p").map(\.metadata.name).sorted() == (number + 1..<3).map { "c\($0)" })
        }
        #expect(cache.count == 0 && cache.keys { _ in true }.isEmpty)
    }
}
