public import BlockDevices

/// What a partition table must not be written over.
extension ZapPlan {
    /// Why a table may not be written: content where it has to be, and what another table or use divides.
    ///
    /// What lies elsewhere is no obstacle where the disk has that table already and its first copy is whole: none of its
    /// bytes change. A member of a RAID is one, since its table is mostly the array's, unless its mark is in a partition.
    /// A table of which only the backup is left proves nothing: it may be what another use of the disk left at its end.
    /// Then all marks have to be named, but for copies of a BlueStore label in its partitions.
    ///
    /// - Parameters:
    ///   - layout: The table.
    ///   - isEdited: Whether it is the disk's own, changed; otherwise all that a zap would want to be named is asked for,
    ///     unless the disk has that table already.
    ///   - contents: What may be lost, by format names; `unknown` for unrecognised data.
    /// - Returns: Why not; each is lifted by naming the content, but for an OSD's mark that would be written over.
    public func tableRefusals(_ layout: GPTLayout, isEdited: Bool, losing contents: Set<String>) -> [Refusal] {
        guard let found = inspection.contents, let device = found.regions.first else { return [] }
        let isSame = isEdited || found.gpt?.current?.header?.diskGUID == layout.diskGUID
        let others = isSame ? [] : refusals.filter(\.canBeNamed)
        guard others.isEmpty else { return others }
        let isWhole = isSame && found.gpt?.primary.isValid ?? false
        var written = layout.places
        if isWhole { written = found.tablePlaces.reduce(written) { rest, own in rest.flatMap { $0.without(own) } } }
        let marks = device.signatures.filter { signature in
            guard !["gpt", "PMBR", "dos", "nacre_zap"].contains(signature.format) else { return false }
            if signature.isIn(written) { return true }
            // What else there is a zap would want to be named, and nothing was.
            guard isSame else { return false }
            guard !signature.isIn(found.gpt?.partitions(around: signature) ?? []) else { return false }
            return !isWhole || signature.isOfArray
        }
        // What is in partitions stays where it is; what is in volumes of the whole disk goes with its label.
        let isOfOSD =
            !device.owners.isEmpty
            || found.regions.contains { $0.depth == 1 && $0.logicalVolume != nil && !$0.owners.isEmpty }
        let strange = marks.compactMap { signature in
            refusal(signature, isOver: signature.isIn(written), isOfOSD: isOfOSD, losing: contents)
        }
        // What a partition that is taken out leaves where the table has to be.
        let left = isSame ? device.strayTableOffsetInPartitions.flatMap { layout.hasPartition(at: $0) ? nil : $0 } : nil
        // The bytes around a mark that is written over are the mark's.
        guard !marks.contains(where: { $0.isIn(written) }), let offset = device.strayTableOffset ?? left,
            !contents.contains("unknown")
        else { return strange }
        return strange + [
            Refusal(
                .content,
                "the disk holds data of an unknown kind where the table has to be (at byte \(offset))",
                remedy: "name it with --content unknown if it may be lost"
            )
        ]
    }

    private func refusal(
        _ signature: FoundSignature,
        isOver: Bool,
        isOfOSD: Bool,
        losing contents: Set<String>
    ) -> Refusal? {
        let (format, mark) = (signature.format, "\(signature.format) (at byte \(signature.mark.offset))")
        if isOver, isOfOSD || signature.usage == .ceph {
            return Refusal(
                .content,
                "the disk holds an OSD's \(mark) where the table has to be",
                remedy: "erase it with nacre-disk zap first, if it may be lost"
            )
        }
        guard !contents.contains(format) else { return nil }
        return isOver
            ? Refusal(
                .content,
                "the disk holds \(mark) where the table has to be",
                remedy: "name it with --content \(format) if it may be lost"
            )
            : Refusal(
                .content,
                "the disk holds \(mark), which is in no partition that is proven: the table may be left from before that",
                remedy: "name it with --content \(format) if the table is the disk's, and that is not used"
            )
    }
}

extension GPTLayout {
    /// Whether the byte at this offset of the disk is in a partition.
    fileprivate func hasPartition(at offset: UInt64) -> Bool {
        let block = offset / sectorBytes
        return entries.values.contains { $0.firstLBA <= block && block <= $0.lastLBA }
    }
}

extension FoundSignature {
    /// Whether the disk's table may be that of an array which the disk is a member of; ZFS has none in its pools.
    fileprivate var isOfArray: Bool { usage == .raid && format != "zfs_member" }

    /// Whether any byte of its mark lies in one of these places.
    fileprivate func isIn(_ places: [ByteExtent]) -> Bool {
        let place = ByteExtent(offset: mark.offset, length: UInt64(mark.length))
        return places.contains { $0.intersection(place) != nil }
    }
}

extension GPT {
    /// Where partitions lie that prove that a mark is theirs.
    ///
    /// Those of a backup alone prove it of copies of a BlueStore label: an OSD on the whole disk has its first label, too.
    /// A table of a larger disk came with a copy of that disk, or it is the table of a striped array, which its first member
    /// shows: then a member's mark is the disk's own.
    fileprivate func partitions(around signature: FoundSignature) -> [ByteExtent] {
        let isProven = primary.isValid || primary.isOfLargerDisk && !signature.isOfArray
        guard isProven || signature.format == "ceph_bluestore_copy" else { return [] }
        return partitions.compactMap { extent(of: $0.entry) }
    }
}
