public import BlockDevices

/// What a partition table must not be written over.
extension ZapPlan {
    /// Why a table may not be written: content that is in no partition, and what another table divides.
    ///
    /// What lies in the disk's own partitions is no obstacle, since none of its bytes change. A table of which only the
    /// backup is left proves nothing: it may be what another use of the disk left at its end.
    ///
    /// - Parameters:
    ///   - layout: The table.
    ///   - isEdited: Whether it is the disk's own, changed; otherwise all that a zap would want to be named is asked for,
    ///     unless the disk has that table already.
    ///   - contents: What may be lost, by format names; `unknown` for unrecognised data.
    /// - Returns: Why not; each is lifted by naming the content, but for a label of Ceph's.
    public func tableRefusals(_ layout: GPTLayout, isEdited: Bool, losing contents: Set<String>) -> [Refusal] {
        guard let found = inspection.contents, let device = found.regions.first else { return [] }
        let isSame = isEdited || found.gpt?.current?.header?.diskGUID == layout.diskGUID
        let others = isSame ? [] : refusals.filter(\.canBeNamed)
        var known: [ByteExtent] = []
        if let gpt = found.gpt, gpt.primary.isValid || gpt.primary.isOfLargerDisk {
            known = gpt.partitions.compactMap { gpt.extent(of: $0.entry) }
        }
        let marks = device.signatures.filter { signature in
            let place = ByteExtent(offset: signature.mark.offset, length: UInt64(signature.mark.length))
            return !["gpt", "PMBR", "dos", "nacre_zap"].contains(signature.format)
                && !known.contains { $0.intersection(place) != nil }
        }
        var strange = marks.filter { !contents.contains($0.format) }.map { signature in
            Refusal(
                .content,
                "the disk holds \(signature.format) (at byte \(signature.mark.offset)), which is in no partition: a table "
                    + "would damage it",
                remedy: signature.usage == .ceph
                    ? "erase it with nacre-disk zap first, if it may be lost"
                    : "name it with --content \(signature.format) if it may be lost"
            )
        }
        if marks.isEmpty, let offset = device.strayTableOffset, !contents.contains("unknown") {
            strange.append(
                Refusal(
                    .content,
                    "the disk holds data of an unknown kind where the table has to be (at byte \(offset))",
                    remedy: "name it with --content unknown if it may be lost"
                )
            )
        }
        return others.isEmpty ? strange : others
    }
}
