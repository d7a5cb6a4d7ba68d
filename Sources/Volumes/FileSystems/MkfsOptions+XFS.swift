extension MkfsOptions {
    /// mkfs.xfs's.
    static let xfs = Rules(
        letters: "b:c:d:i:l:L:m:n:KNp:qr:s:CfV",
        allowed: [
            "b": .list(["size"]),
            "d": .list([
                "agcount", "agsize", "sunit", "swidth", "su", "sw", "sectsize", "noalign", "cowextsize", "extszinherit",
                "concurrency",
            ]),
            "i": .list([
                "align", "attr", "maxpct", "perblock", "projid32bit", "size", "sparse", "nrext64", "exchange",
            ]),
            "l": .list(["agnum", "size", "version", "sunit", "su", "lazy-count", "sectsize", "concurrency"]),
            "L": .word,
            "m": .list(["bigtime", "crc", "finobt", "inobtcount", "reflink", "rmapbt", "autofsck"]),
            "n": .list(["size", "version", "ftype", "parent"]), "K": .flag, "q": .flag,
            "s": .list(["size", "sectsize"]),
        ],
        refused: [
            "f": "would overwrite what is there: whether that may be, nacre decides by what it finds",
            "C": "overwrites what is there without a look", "N": "makes no file system, it only shows what it would do",
            "V": "makes no file system, it only shows a version", "p": "reads a file of the node",
            "c": "reads a file of the node", "r": "names another device, a realtime one",
        ]
    )

    /// mkfs.xfs needs at least 300 MiB, and a log that fits into one allocation group; it makes four groups unless the
    /// class says otherwise.
    ///
    /// See: xfsprogs mkfs/xfs_mkfs.c, `validate_supported`.
    static func smallestXFS(_ options: [ToolOptions.Option]) -> UInt64 {
        var smallest: UInt64 = 300 << 20
        let data = options.filter { $0.letter == "d" }
        let groups = data.compactMap { $0["agcount"] }.compactMap { UInt64($0) }.max() ?? 4
        let sizes = options.filter { $0.letter == "l" }.compactMap { $0["size"] }.compactMap(bytes)
        // The log is in one group, and mkfs.xfs makes no log below 64 MiB by itself.
        let log = sizes.max() ?? 64 << 20
        if log < 1 << 40, !data.contains(where: { $0.names("agsize") }), groups < 1 << 20 {
            smallest = max(smallest, (log + (4 << 20)) * groups)
        }
        if let size = data.compactMap({ $0["agsize"] }).compactMap(bytes).max(), size < 1 << 50 {
            // Two super blocks at least.
            smallest = max(smallest, size + (16 << 20))
        }
        return smallest
    }

    /// Why no node could use what these options make, or nothing.
    ///
    /// Kernels are built without xfs of version 4, and without names in any case, more and more; a claim would bind and
    /// never mount. See: Documentation/admin-guide/xfs.rst, "Deprecation Roadmap".
    static func refusalXFS(_ options: [ToolOptions.Option]) -> String? {
        for option in options {
            if option.letter == "d", let count = option["agcount"].flatMap({ UInt64($0) }), count > mostXFSGroups {
                return
                    "'\(option.text.printable)' makes more than \(mostXFSGroups) allocation groups, which no node can do "
                    + "with"
            }
            if option.letter == "m", option["crc"] == "0" {
                return "'\(option.text.printable)' makes an xfs of version 4, without checksums, which kernels do not "
                    + "mount any more"
            }
            if option.letter == "n", option["version"] == "ci" {
                return
                    "'\(option.text.printable)' makes an xfs that takes names in any case, which kernels do not mount any "
                    + "more"
            }
        }
        return nil
    }

    /// The most allocation groups that a node can do with (`GrowthLimit`).
    static let mostXFSGroups: UInt64 = 10_000

    /// 10,000 allocation groups, of 1 TiB at most: a node grows a file system to no more than that (`GrowthLimit`).
    static func largestXFS(_ options: [ToolOptions.Option]) -> UInt64 {
        let size = options.filter { $0.letter == "d" }.compactMap { $0["agsize"] }.compactMap(bytes).max()
        return mostXFSGroups * min(max(size ?? 1 << 40, 1 << 20), 1 << 40)
    }

    /// A size in bytes as mkfs.xfs reads it, where it needs no size of blocks or sectors.
    private static func bytes(_ text: String) -> UInt64? {
        let shifts: [Character: UInt64] = ["k": 10, "m": 20, "g": 30, "t": 40]
        if let plain = UInt64(text) { return plain }
        guard let last = text.lowercased().last, let shift = shifts[last], let number = UInt64(text.dropLast()),
            number < 1 << 24
        else { return nil }
        return number << shift
    }
}
