internal import BlockDevices
internal import CommandNames
internal import DiskZap

/// The proof that the planned disks are the intended ones.
struct Confirmation {
    let serials: [String]
    let hashes: [String]

    /// Asks a person, or compares a script's proofs; ends the program unless every disk is confirmed.
    func check(_ plans: [ZapPlan]) throws {
        if serials.isEmpty, hashes.isEmpty { return try ask(plans) }
        let proofs = plans.map(\.identity.proof)
        let known = plans.map(\.hash)
        for plan in plans {
            if !hashes.isEmpty, !hashes.contains(plan.hash) {
                let given = hashes.filter { !known.contains($0) }
                let why = "its plan has another hash, \(plan.hash), and --plan-hash gave \(Self.list(given))"
                throw refuse(plan, "\(why): it is another disk, or something has changed since; plan again")
            }
            if !serials.isEmpty, !serials.contains(plan.identity.proof) {
                throw refuse(plan, plan.identity.mismatch(serials.filter { !proofs.contains($0) }, by: "--serial gave"))
            }
        }
        for word in serials where !proofs.contains(word) { throw refuse(word, "no disk named has the serial") }
        for hash in hashes where !known.contains(hash) { throw refuse(hash, "no disk named has a plan of the hash") }
    }

    private func ask(_ plans: [ZapPlan]) throws {
        for plan in plans {
            let agreement = Agreement(
                to: "erase '\(plan.path)'",
                typing: "its \(plan.identity.proofKind)",
                instead: "give its \(plan.identity.proofKind) with --serial, or the plan's hash with --plan-hash"
            )
            try agreement.ask(plan.lines) { typed in
                typed == plan.identity.proof ? nil : plan.identity.mismatch([typed], by: "you typed")
            }
        }
    }

    private static func list(_ words: [String]) -> String {
        words.isEmpty ? "only those of other disks" : words.map { "'\($0)'" }.joined(separator: ", ")
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

extension DiskIdentity {
    /// Why the given proof does not match this disk, in words.
    ///
    /// - Parameters:
    ///   - words: What was given that fits no disk.
    ///   - origin: Where it came from: `--serial gave`, `you typed`.
    /// - Returns: A part of a sentence.
    func mismatch(_ words: [String], by origin: String) -> String {
        let given = words.filter { !$0.isEmpty }.map { "'\($0)'" }.joined(separator: ", ")
        return "its \(proofKind) is '\(proof)', and \(origin) \(given.isEmpty ? "nothing for it" : given)"
    }
}
