import Glibc
import LinuxKernel
import Synchronization
import SystemPackage
import Testing

@testable import ImageMapping
@testable import ImageOwnership
@testable import ImageServing
@testable import KernelMapping
@testable import NodeMapping

@Suite("Writes that may block for as long as a cluster is away")
struct KernelWritesTests {
    private final class Gate: Sendable {
        let isOpen = Atomic<Bool>(false)
        let writes = Atomic<Int>(0)

        func pass() {
            writes.add(1, ordering: .relaxed)
            while !isOpen.load(ordering: .relaxed) { usleep(1000) }
        }
    }

    @Test("A write that takes too long goes on, and whoever comes again waits for it and makes no second")
    func joined() throws {
        let writes = KernelWrites()
        let gate = Gate()
        for _ in 0..<2 {
            let outcome = try writes.run("add x", limit: .milliseconds(20)) { () throws(KernelError) in gate.pass() }
            guard case .pending = outcome else {
                Issue.record("\(outcome)")
                return
            }
        }
        #expect(writes.age(of: "add x") != nil)
        #expect(writes.age(of: "add y") == nil)
        gate.isOpen.store(true, ordering: .relaxed)
        while writes.age(of: "add x") != nil { usleep(1000) }
        #expect(gate.writes.load(ordering: .relaxed) == 1)
    }

    @Test("Of many that write for one subject at once, one does")
    func atOnce() async throws {
        for _ in 0..<300 {
            let writes = KernelWrites()
            let gate = Gate()
            let threads = 8
            let ready = Atomic<Int>(0)
            let ended = Atomic<Int>(0)
            for _ in 0..<threads {
                startThread {
                    ready.add(1, ordering: .sequentiallyConsistent)
                    while ready.load(ordering: .sequentiallyConsistent) < threads {}
                    _ = try? writes.run("add x", limit: .milliseconds(1)) { () throws(KernelError) in gate.pass() }
                    ended.add(1, ordering: .sequentiallyConsistent)
                }
            }
            while ended.load(ordering: .sequentiallyConsistent) < threads { usleep(100) }
            gate.isOpen.store(true, ordering: .relaxed)
            while writes.age(of: "add x") != nil { usleep(100) }
            try #require(gate.writes.load(ordering: .relaxed) == 1)
        }
    }

    @Test("What the kernel answers comes back, and the subject is free again")
    func answers() throws {
        let writes = KernelWrites()
        for _ in 0..<2 {
            let outcome = try writes.run("remove 0", limit: .seconds(30)) { () throws(KernelError) in
                throw KernelError("write", .resourceBusy, "remove")
            }
            guard case .failed(let error) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(error.errno == .resourceBusy)
        }
        guard case .done = try writes.run("remove 0", limit: .seconds(30), { () throws(KernelError) in }) else {
            Issue.record("not done")
            return
        }
    }
}
