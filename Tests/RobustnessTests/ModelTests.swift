import Testing

/// A checker that cannot fail proves nothing: histories with a violation, which it must find, and sound ones that look odd.
@Suite("The checker")
struct ModelTests {
    /// A volume that node 0 has, with one acknowledged write.
    private static var written: VolumeModel {
        var model = VolumeModel("v")
        _ = model.staged(on: 0, fileSystem: "first")
        _ = model.endWrite(model.beginWrite(on: 0), isAcknowledged: true)
        return model
    }

    @Test("finds an acknowledged write that a read does not show")
    func lostWrite() {
        var model = Self.written
        #expect(model.judgeRead(nil) == .lostWrite(volume: "v", acknowledged: 1, found: nil))
        _ = model.endWrite(model.beginWrite(on: 0), isAcknowledged: true)
        #expect(model.judgeRead(1) == .lostWrite(volume: "v", acknowledged: 2, found: 1))
        #expect(model.judgeRead(2) == nil)
    }

    @Test("takes either of a write that nobody heard of, but not what nobody wrote")
    func maybe() {
        var model = Self.written
        let number = model.beginWrite(on: 0)
        for isOver in [false, true] {
            if isOver { #expect(model.endWrite(number, isAcknowledged: false) == nil) }
            #expect(model.judgeRead(1) == nil)
            #expect(model.judgeRead(2) == nil)
            #expect(model.judgeRead(3) == .strangeWrite(volume: "v", found: 3))
        }
        #expect(VolumeModel("new").judgeRead(nil) == nil)
        #expect(VolumeModel("new").judgeRead(1) == .strangeWrite(volume: "new", found: 1))
    }

    @Test("finds a second holder beside one that nothing has befallen")
    func twoHolders() {
        var model = Self.written
        #expect(model.staged(on: 1, fileSystem: "first") == [.twoHolders(volume: "v", first: 0, second: 1)])
        model = Self.written
        model.isEndangered(on: 0)
        #expect(model.staged(on: 1, fileSystem: "first") == [])
        #expect(model.hold(0) == .lost && model.holder == 1)
        model = Self.written
        model.unstaged(on: 0)
        #expect(model.staged(on: 1, fileSystem: "first") == [])
    }

    @Test("finds an acknowledged write of a node that had lost the volume before it began, and what it wrote")
    func writeAfterFence() {
        var model = Self.written
        model.isEndangered(on: 0)
        let early = model.beginWrite(on: 0)
        _ = model.staged(on: 1, fileSystem: "first")
        let late = model.beginWrite(on: 0)
        #expect(model.endWrite(late, isAcknowledged: true) == .writeAfterFence(volume: "v", node: 0, number: late))
        #expect(model.judgeRead(late) == .strangeWrite(volume: "v", found: late))
        // The other one may have been done before the fence; then it must be seen.
        #expect(model.endWrite(early, isAcknowledged: true) == nil)
        #expect(model.judgeRead(1) == .lostWrite(volume: "v", acknowledged: early, found: 1))
    }

    @Test("does not believe a node that has lost the volume and says that it is staged, but its writes")
    func stale() {
        var model = Self.written
        model.isEndangered(on: 0)
        _ = model.staged(on: 1, fileSystem: "first")
        #expect(model.staged(on: 0, fileSystem: "first") == [])
        #expect(model.holder == 1)
        let number = model.beginWrite(on: 0)
        #expect(model.endWrite(number, isAcknowledged: true) == .writeAfterFence(volume: "v", node: 0, number: number))
        model.isEndangered(on: 1)
        #expect(model.staged(on: 0, fileSystem: "first") == [] && model.hold(0) == .maybe)
    }

    @Test("finds an early write that arrived over the next holder's")
    func lateArrival() {
        var model = Self.written
        model.isEndangered(on: 0)
        let early = model.beginWrite(on: 0)
        _ = model.staged(on: 1, fileSystem: "first")
        let next = model.beginWrite(on: 1)
        #expect(model.endWrite(next, isAcknowledged: true) == nil)
        #expect(model.judgeRead(early) == .lostWrite(volume: "v", acknowledged: next, found: early))
    }

    @Test("finds a file system that was made anew")
    func formattedAgain() {
        var model = Self.written
        model.unstaged(on: 0)
        #expect(
            model.staged(on: 1, fileSystem: "second") == [.formattedAgain(volume: "v", before: "first", now: "second")]
        )
    }

    @Test("finds a volume that was deleted under a node that had it")
    func deletedInUse() {
        var model = Self.written
        #expect(model.deleted() == .deletedInUse(volume: "v", node: 0))
        model.isEndangered(on: 0)
        #expect(model.deleted() == nil)
        model.unstaged(on: 0)
        #expect(model.deleted() == nil)
    }

    @Test("tells a whole block from a torn one, another volume's, and none")
    func register() {
        var device = [UInt8](repeating: 0, count: Register.blocks * Register.blockBytes)
        #expect(Register.number(in: device, volume: "v") == nil)
        for number in [6, 7] {
            let start = Register.block(of: number) * Register.blockBytes
            device.replaceSubrange(start..<start + Register.blockBytes, with: Register.bytes(number, volume: "v"))
        }
        #expect(Register.number(in: device, volume: "v") == 7)
        #expect(Register.number(in: device, volume: "w") == nil)
        device[Register.block(of: 7) * Register.blockBytes + 4000] = 0
        #expect(Register.number(in: device, volume: "v") == 6)
        #expect(Register.number(in: Array(device.prefix(5000)), volume: "v") == nil)
    }

    @Test("makes the same plan of a seed; the sequences that are run each time have every action and fault")
    func plans() {
        #expect(Plan(seed: 7).steps == Plan(seed: 7).steps)
        #expect(Plan(seed: 7).steps != Plan(seed: 8).steps)
        let short = Plan(seed: 7, most: 3).steps
        #expect(!short.isEmpty && short.count < Plan(seed: 7).steps.count)
        #expect(Plan(seed: 7).steps.starts(with: short))
        // Those of `tools/test all`.
        let steps = (1...40).flatMap { Plan(seed: $0, most: 7).steps }
        // `killOneServer(node: 1)`, without what it holds.
        func names(_ values: [Any]) -> Set<String> { Set(values.map { String("\($0)".prefix { $0 != "(" }) }) }
        #expect(names(steps.map(\.action)).count == 16)
        #expect(names(steps.compactMap(\.fault)).count == 13)
    }
}
