internal import BlockDevices
internal import DiskZap
internal import LinuxKernel

/// What is known of a disk, for people.
extension DiskInspection {
    /// One line for each item, indented under its container.
    var lines: [String] {
        var lines = [headline]
        lines += links.filter { $0.contains("/by-id/") }.map { "  link      \($0)" }
        if let contents, !contents.isBlank { lines += DiskMap(contents).lines("map       ") }
        for region in contents?.regions ?? [] { lines += region.lines }
        if contents?.isBlank ?? false { lines.append("  nothing on it") }
        for problem in contents?.tableProblems ?? [] { lines.append("  table     \(problem.part): \(problem.text)") }
        for holder in tree.dropFirst() {
            lines.append("  held by   \(holder.name)\(holder.mapping.map { " (\($0.name))" } ?? "")")
        }
        for mount in mounts { lines.append("  mounted   \(mount.name) at \(mount.mountPoint)") }
        for swap in swaps { lines.append("  swap      \(swap)") }
        for path in otherPaths {
            let uses = path.uses.isEmpty ? "free" : path.uses.joined(separator: "; ")
            lines.append("  same disk \(path.node.path): \(uses)")
        }
        if let reservation { lines.append("  shared    \(reservation.words)") }
        if let reservationFailure { lines.append("  unasked   for reservations: \(reservationFailure)") }
        if isLocked { lines.append("  in use    a running ceph-osd") }
        for failure in failures { lines.append("  unread    \(failure)") }
        lines += verdict
        return lines
    }

    private var headline: String {
        let hardware = [
            identity.model, identity.serial.map { "serial \($0)" }, identity.worldWideName.map { "wwn \($0)" },
        ]
        let kind = node.queue.isRotational ? "rotating" : "flash or virtual"
        let words = [node.path, humanSize(node.sizeBytes), "sectors of \(node.queue.logicalSectorBytes)", kind]
        return (words + hardware.compactMap(\.self) + (identity.backingFile.map { ["file \($0)"] } ?? []))
            .joined(separator: ", ")
    }

    private var verdict: [String] {
        guard !rejections.isEmpty else { return ["  an OSD could take it"] }
        return ["  an OSD could not take it:"] + rejections.map { "    \($0.text)" }
    }

    /// What of it could not be read.
    var unread: String { failures.isEmpty ? node.path : failures.map(\.description).joined(separator: ", ") }

    /// What is on it in a few words.
    var summary: String {
        let owners = Set((contents?.regions ?? []).flatMap(\.owners).map(\.text)).sorted()
        if !owners.isEmpty { return owners.joined(separator: "; ") }
        let formats = Set((contents?.regions ?? []).flatMap(\.signatures).map(\.format)).sorted()
        if !formats.isEmpty { return formats.joined(separator: ", ") }
        guard let contents else { return failures.first.map { "cannot be read: \($0)" } ?? "cannot be read" }
        return contents.isBlank ? "blank" : "data of an unknown kind"
    }
}

extension DeviceContents {
    var tableProblems: [TableProblem] {
        guard let gpt = gpt ?? foreignGPT else { return [] }
        return gpt.problems(mbr: mbr)
    }
}

extension Region {
    var lines: [String] {
        var title = name
        if let partition {
            let type = PartitionType.of(partition.type)?.name ?? partition.type.description
            title += " (\(type)\(partition.name.isEmpty ? "" : ", \"\(partition.name)\""))"
        }
        let size = extents.reduce(0) { $0 + $1.length }
        let begin = extents.first?.offset ?? 0
        var lines = kind == .device ? [] : ["  \(title): \(humanSize(size)) at byte \(begin)"]
        lines += markLines
        if isUnused { lines.append("    empty: prepared for an OSD, which has not taken it") }
        lines += owners.map { "    belongs to \($0.text), by its \($0.evidence.rawValue)" }
        if let group = physicalVolume?.group { lines.append("    volume group \(group.name)") }
        return lines
    }

    /// A line for each mark; one for all marks of a kind that repeats, as ZFS' uberblocks do.
    private var markLines: [String] {
        struct Kind: Hashable {
            let format: String
            let note: String?
        }
        let kinds = Dictionary(grouping: signatures) { Kind(format: $0.format, note: $0.mark.note) }
        var told: Set<Kind> = []
        return signatures.compactMap { signature in
            let kind = Kind(format: signature.format, note: signature.mark.note)
            let offsets = (kinds[kind] ?? []).map(\.mark.offset)
            let note = kind.note.map { ", \($0)" } ?? ""
            guard offsets.count > Self.mostLines, let first = offsets.min(), let last = offsets.max() else {
                return "    \(kind.format) at byte \(words(signature.mark.offset))\(note)"
            }
            guard told.insert(kind).inserted else { return nil }
            return "    \(kind.format) at \(offsets.count) places from byte \(words(first)) to \(words(last))\(note)"
        }
    }

    /// The most marks of a kind that have a line each.
    private static let mostLines = 4

    private func words(_ offset: UInt64) -> String {
        guard kind != .device, let place = deviceOffset(of: offset) else { return "\(offset)" }
        return "\(offset) (byte \(place) of the disk)"
    }
}
