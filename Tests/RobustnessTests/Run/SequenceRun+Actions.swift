import Foundation
import TestSupport
import VolumeAPI

extension SequenceRun {
    func create(_ index: Int) async throws {
        guard let made = try await crew.controller.create(volumes[index], Self.patience) else { return }
        if !volumes[index].handle.isEmpty, volumes[index].handle != made.volumeID {
            throw Violation.lostVolume(volume: volumes[index].name, message: "its handle is another: \(made.volumeID)")
        }
        volumes[index].handle = made.volumeID
        volumes[index].context = made.volumeContext
    }

    func perform(_ action: Action, _ index: Int) async throws {
        switch action {
        case .up(let node): await attempt("up") { try await self.up(index, node) }
        case .failOver(let node): try await failOver(index, node)
        case .write(let node): try await write(index, node)
        case .read(let node): try await read(index, node)
        case .down(let node): await attempt("down") { try await self.down(index, node) }
        case .expand: await attempt("expand") { try await self.expand(index) }
        case .deleteAndUndelete(let seconds):
            if volumes[index].isKept, models[index].holder == nil { try await deleteAndUndelete(index, seconds) }
        case .deleteInUse:
            if models[index].holder != nil { await attempt("delete") { try await self.deleteInUse(index) } }
        case .lateWrites:
            for node in 0..<Plan.nodes where models[index].hold(node) == .lost { try await write(index, node) }
        case .forget(let node, let all): try await forget(node, all)
        case .trashByHand, .renameByHand, .lockByHand: try await byHand(action, index)
        case .openByHand: try await openByHand(index)
        case .rebind: try await rebind(index)
        case .neighbour: try await neighbour(index)
        }
    }

    private func attempt(_ what: String, _ body: () async throws -> Void) async {
        let end = ContinuousClock.now + .seconds(4)
        while true {
            do {
                try await body()
                return note("  \(what): done")
            } catch {
                note("  \(what): \(error)")
                // A service that was killed is back in a moment; what it was asked for is repeated, as kubelet does.
                guard "\(error)".contains("cannot reach"), .now < end else { return }
                try? await Task.sleep(for: .milliseconds(300))
            }
        }
    }

    /// Deletes files of a node that has all its volumes alive, or none; then everything must come down.
    private func forget(_ node: Int, _ all: Bool) async throws {
        let holds = models.map { $0.hold(node) }
        guard holds.allSatisfy({ $0 == .none || $0 == .held(isWell: true) }) else { return note("  not now") }
        try await crew.forget(all ? "*" : "volumes", node)
        for index in models.indices where models[index].isHeld(by: node) {
            try await write(index, node)
            try await read(index, node)
            let what = "take \(volumes[index].name) down on node \(node), which forgot it"
            try await converge(what) { try await self.down(index, node) }
        }
    }

    /// Stages and publishes.
    func up(_ index: Int, _ node: Int) async throws {
        let host = crew.nodes[node]
        try? FileManager.default.createDirectory(
            atPath: host.stagingPath(volumes[index]),
            withIntermediateDirectories: true
        )
        do {
            try await host.stage(volumes[index], Self.patience)
        } catch {
            // A refusal of what the node had not says that it has nothing now.
            if error.code != .failedPrecondition || models[index].hold(node) != .none {
                models[index].isUncertain(on: node)
            }
            throw error
        }
        endangerNow()
        let uuid =
            volumes[index].kind == .block ? nil : try await host.fileSystem(at: host.stagingPath(volumes[index]))
        for violation in models[index].staged(on: node, fileSystem: uuid) { report(violation) }
        endangerNow()
        try await host.publish(volumes[index], Self.patience)
    }

    /// Until it is there, or the other node was thawed and keeps it.
    private func failOver(_ index: Int, _ node: Int) async throws {
        let end = ContinuousClock.now + .seconds(25)
        var last = ""
        repeat {
            do {
                try await up(index, node)
                return note("  fail-over: done")
            } catch let error as ConnectError {
                last = "\(error)"
                try await Task.sleep(for: .milliseconds(500))
            }
        } while .now < end
        note("  fail-over: \(last)")
    }

    func down(_ index: Int, _ node: Int) async throws {
        let host = crew.nodes[node]
        try await host.unpublish(volumes[index], Self.patience)
        do {
            try await host.unstage(volumes[index], Self.patience)
        } catch {
            models[index].isUncertain(on: node)
            throw error
        }
        models[index].unstaged(on: node)
    }

    private func expand(_ index: Int) async throws {
        let wanted = volumes[index].megabytes + 16
        try await crew.controller.expand(volumes[index], toMegabytes: wanted, Self.patience)
        volumes[index].megabytes = wanted
        if let node = models[index].holder { try await crew.nodes[node].grow(volumes[index], Self.patience) }
    }

    private func deleteInUse(_ index: Int) async throws {
        endangerNow()
        try await crew.controller.delete(volumes[index], Self.patience)
        endangerNow()
        isDeleted[index] = true
        if let violation = models[index].deleted() { report(violation) }
    }
}

extension SequenceRun {
    /// Where the register is: a file, or the device itself.
    private func register(_ index: Int, _ node: Int) -> (path: String, check: String) {
        let target = crew.nodes[node].targetPath(volumes[index])
        guard volumes[index].kind != .block else { return (target, "[ -b \(target) ]") }
        return ("\(target)/register", "mountpoint -q \(target)")
    }

    /// Begins a write, and waits for it for a while; it may end later.
    func write(_ index: Int, _ node: Int) async throws {
        let hold = models[index].hold(node)
        guard models[index].isHeld(by: node) || hold == .lost else { return note("  write: node \(node) has it not") }
        let host = crew.nodes[node]
        let number = models[index].beginWrite(on: node)
        let file = "\(host.directory)/write-\(index)-\(number)"
        try Data(Register.bytes(number, volume: volumes[index].name)).write(to: URL(filePath: file))
        let (path, check) = register(index, node)
        let line =
            "\(check) && dd if=\(file) of=\(path) bs=\(Register.blockBytes) seek=\(Register.block(of: number)) count=1 "
            + "oflag=direct conv=notrunc,fsync status=none; s=$?; rm -f \(file); exit $s"
        let task = Task {
            let result = try? await host.inside(line)
            self.endWrite(index, number, result?.isOK == true, result?.output ?? "")
        }
        underWay.append(task)
        let end = ContinuousClock.now + .seconds(2)
        while models[index].writes[number - 1].outcome == .underWay, .now < end {
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private func endWrite(_ index: Int, _ number: Int, _ isOK: Bool, _ output: String) {
        note("  write \(number) of volume \(index): \(isOK ? "acknowledged" : "failed \(output)")")
        if let violation = models[index].endWrite(number, isAcknowledged: isOK) { report(violation) }
    }

    /// Reads the register where the node has it for certain; a read that fails says nothing.
    @discardableResult
    func read(_ index: Int, _ node: Int) async throws -> Bool {
        guard models[index].isHeld(by: node) else { return false }
        let host = crew.nodes[node]
        let (path, check) = register(index, node)
        let copy = "\(host.directory)/read-\(index)"
        let reading =
            "dd if=\(path) of=\(copy) bs=\(Register.blockBytes) count=\(Register.blocks) iflag=direct status=none"
        // On a dead device a file that is there cannot be looked at either.
        let look = """
            if ! why=$(LC_ALL=C stat \(path) 2>&1); then case $why in *"No such file"*) echo absent; exit 0;; esac; \
            echo "$why"; exit 1; fi
            """
        let line = "\(check) && rm -f \(copy) && { \(look); \(reading); }"
        let acknowledgedBefore = models[index]
        let (isOK, output) = try await host.inside(line)
        guard isOK else {
            note("  read: \(output)")
            return false
        }
        let bytes = output.hasPrefix("absent") ? [] : [UInt8](try Data(contentsOf: URL(filePath: copy)))
        let found = Register.number(in: bytes, volume: volumes[index].name)
        note("  read: \(found.map(String.init) ?? "nothing")")
        // A write that was acknowledged while this read was under way need not be in it.
        var model = acknowledgedBefore
        guard model.isHeld(by: node), let violation = model.judgeRead(found) else { return true }
        // Another node may have got the volume meanwhile: what its late reader sees is no proof.
        model = models[index]
        if model.isHeld(by: node) { report(violation) }
        return true
    }
}
