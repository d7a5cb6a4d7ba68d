import Foundation
import TestSupport
import VolumeAPI

extension SequenceRun {
    func deleteAndUndelete(_ index: Int, _ seconds: Int) async throws {
        do {
            try await crew.controller.delete(volumes[index], Self.patience)
            note("  delete: done")
        } catch {
            note("  delete: \(error)")
        }
        try await Task.sleep(for: .seconds(seconds))
        let end = ContinuousClock.now + Self.limit
        var last = ""
        while .now < end {
            let (isUndeleted, output) = try await Lab.run([
                NacreProcess.program, "volume", "undelete", volumes[index].handle, "--pool", "rbd", "--config",
                crew.lab.cluster.configurationPath, "--secret-dir", crew.lab.cluster.provisionerSecret,
            ])
            last = output
            // A delete that was not answered may be under way still.
            if isUndeleted { return note("  undelete: done") }
            if try await isThere(index), output.contains("there is no deleted volume") {
                return note("  undelete: it is there")
            }
            try await Task.sleep(for: .milliseconds(300))
        }
        throw Violation.lostVolume(volume: volumes[index].name, message: "it cannot be had back: \(last)")
    }

    private func isThere(_ index: Int) async throws -> Bool {
        try await crew.lab.rbd("info", "rbd/\(volumes[index].image)").isOK
    }

    /// What an administrator does and undoes while nobody uses the volume; meanwhile the services are asked for it.
    func byHand(_ action: Action, _ index: Int) async throws {
        guard models[index].holds.values.allSatisfy({ $0 == .none }) else { return }
        let (lab, image) = (crew.lab, "rbd/\(volumes[index].image)")
        let tryUp: () async -> String = {
            do {
                try await self.up(index, 0)
                return "done"
            } catch { return "\(error)" }
        }
        switch action {
        case .trashByHand:
            guard try await lab.rbd("trash", "mv", image).isOK else { return note("  not moved") }
            note("  up without it: \(await tryUp())")
            let list = try await lab.rbd("trash", "ls", "rbd").output.split(separator: "\n")
            guard let line = list.first(where: { $0.hasSuffix(volumes[index].image) }),
                let id = line.split(separator: " ").first
            else {
                throw Violation.lostVolume(volume: volumes[index].name, message: "the trash has it not: \(list)")
            }
            let (isOK, output) = try await lab.rbd("trash", "restore", "rbd/\(id)")
            guard isOK else { throw Violation.lostVolume(volume: volumes[index].name, message: output) }
        case .renameByHand:
            guard try await lab.rbd("rename", image, "\(image)-by-hand").isOK else { return note("  not renamed") }
            note("  up without it: \(await tryUp())")
            let (isOK, output) = try await lab.rbd("rename", "\(image)-by-hand", image)
            guard isOK else { throw Violation.lostVolume(volume: volumes[index].name, message: output) }
        default:
            guard try await lab.rbd("lock", "add", image, "maintenance").isOK else { return note("  not locked") }
            let answer = await tryUp()
            note("  up: \(answer)")
            if answer == "done" { report(.leak("\(volumes[index].name) was staged though it was locked by hand")) }
            let owner = try await lab.rbd("lock", "ls", image).output.split(whereSeparator: \.isWhitespace)
                .first { $0.hasPrefix("client.") }
            if let owner { _ = try await lab.rbd("lock", "rm", image, "maintenance", String(owner)) }
        }
    }
}
