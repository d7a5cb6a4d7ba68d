internal import BlockDevices
internal import DiskZap

/// The proof that the disks meant are the disks planned.
struct Confirmation {
    let serials: [String]
    let hashes: [String]

    /// Asks a person, or compares what a script gave; ends the program unless every disk was named.
    func check(_ plans: [ZapPlan]) throws {
        if serials.isEmpty, hashes.isEmpty { return try ask(plans) }
        for plan in plans {
            if !hashes.isEmpty, !hashes.contains(plan.hash) {
                throw refuse(plan, "its plan has another hash (\(plan.hash)); something has changed since")
            }
            if !serials.isEmpty, !serials.contains(plan.identity.proof) {
                throw refuse(plan, "its \(plan.identity.proofKind) was not given with --serial")
            }
        }
        let proofs = plans.map(\.identity.proof)
        let known = plans.map(\.hash)
        for word in serials where !proofs.contains(word) { throw refuse(word, "no disk named has the serial") }
        for hash in hashes where !known.contains(hash) { throw refuse(hash, "no disk named has a plan of the hash") }
    }

    private func ask(_ plans: [ZapPlan]) throws {
        guard Console.isInteractive else {
            Console.error(
                "refusing: nobody is here to ask; give --serial or --plan-hash for each disk (see nacre-disk plan)"
            )
            throw ExitStatus.refused
        }
        for plan in plans {
            Console.note(plan.lines.joined(separator: "\n"))
            let question = "To erase \(plan.path), type its \(plan.identity.proofKind):"
            guard Console.ask(question) == plan.identity.proof else {
                throw refuse(plan, "that is not its \(plan.identity.proofKind); nothing was erased")
            }
        }
    }

    private func refuse(_ plan: ZapPlan, _ why: String) -> any Error {
        Console.error("refusing to zap '\(plan.path)': \(why)")
        return ExitStatus.refused
    }

    private func refuse(_ word: String, _ why: String) -> any Error {
        Console.error("refusing: \(why) '\(word)'")
        return ExitStatus.refused
    }
}
