internal import BlockDevices
internal import LinuxKernel

/// Removes the mappings on a disk, the topmost first, each only if it is still the one of the plan.
struct MapperTeardown {
    private static let retries = 25
    private static let pause = Duration.milliseconds(200)

    let steps: [TeardownStep]
    let use: DeviceUse
    let tree: BlockTree

    /// Why the removal would fail; checked before anything is removed, so that no stack is removed only in part.
    func refusals(_ mapper: DeviceMapper) -> [Refusal] {
        steps.compactMap { step in
            do throws(KernelError) {
                let info = try mapper.info(.uuid(step.uuid))
                guard info.name == step.mapping, info.device == step.device else {
                    return Refusal(
                        .changed,
                        "the mapping '\(step.mapping)' is another one by now",
                        remedy: "plan again"
                    )
                }
                let holders = tree.nodes[step.node]?.holders.count ?? 0
                guard info.openCount > holders else { return nil }
                return Refusal(
                    .open,
                    "the mapping '\(step.mapping)' is open\(openers(step))",
                    remedy: "stop its user first"
                )
            } catch {
                guard !error.isMissingDevice else { return nil }
                return Refusal(.held, "cannot look at the mapping \(error)", remedy: "plan again")
            }
        }
    }

    /// Removes them; succeeds for a mapping that is gone already.
    func run(_ mapper: DeviceMapper, _ log: (String) -> Void) throws(KernelError) {
        for step in steps {
            var attempt = 0
            while true {
                do throws(KernelError) {
                    try mapper.remove(.uuid(step.uuid), isDeferred: false)
                    log("removed mapping \(step.mapping)")
                    break
                } catch {
                    if error.isMissingDevice {
                        log("mapping \(step.mapping) was gone")
                        break
                    }
                    attempt += 1
                    guard error.isBusy, attempt < Self.retries else { throw error }
                    Threads.pause(Self.pause)
                }
            }
        }
    }

    private func openers(_ step: TeardownStep) -> String {
        guard let node = tree.nodes[step.node] else { return "" }
        let list = use.openers(of: node).map { "\($0.name) (process \($0.process))" }
        return list.isEmpty ? "" : " in \(list.joined(separator: ", "))"
    }
}
