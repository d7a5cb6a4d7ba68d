internal import BlockDevices
internal import DiskZap

/// A plan, for people.
extension ZapPlan {
    var lines: [String] {
        var lines = inspection.lines
        lines.append(
            "  \(isResumed ? "resumes an unfinished zap" : "plan") (method \(method.name)): \(method.guarantee)"
        )
        lines += teardown.map { "    remove the mapping \($0.mapping)" }
        if !ranges.isEmpty { lines += DiskMap(self).lines("erases    ") }
        lines += ranges.map { range in
            let why = reasons(for: range)
            let shown = why.prefix(4).joined(separator: ", ") + (why.count > 4 ? " and \(why.count - 4) more" : "")
            return "    erase \(humanSize(range.length)) at byte \(range.offset) (\(range)): \(shown)"
        }
        lines += warnings.map { "  warning   \($0)" }
        lines += refusals.map { "  REFUSED   [\($0.code.rawValue)] \($0.text)" }
        if refusals.isEmpty {
            lines.append("  \(humanSize(bytesToErase)) in all; \(identity.proofKind): \(identity.proof)")
            lines.append("  plan hash \(hash)")
        }
        return lines
    }
}
