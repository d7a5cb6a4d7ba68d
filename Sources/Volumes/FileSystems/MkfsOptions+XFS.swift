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
        let groups = data.flatMap { $0.numbers("agcount") }.compactMap(\.plain).max() ?? 4
        let units = units(options)
        let sizes = options.filter { $0.letter == "l" }.flatMap { $0.numbers("size") }.compactMap { $0.bytes(units) }
        // The log is in one group, and mkfs.xfs makes no log below 64 MiB by itself.
        let log = sizes.max() ?? 64 << 20
        if log < 1 << 40, !data.contains(where: { $0.names("agsize") }), groups < 1 << 20 {
            smallest = max(smallest, (log + (4 << 20)) * groups)
        }
        if let size = data.flatMap({ $0.numbers("agsize") }).compactMap({ $0.bytes(units) }).max(), size < 1 << 50 {
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
            if option.letter == "d", option.numbers("agcount").contains(where: { $0.value > mostXFSGroups }) {
                return
                    "'\(option.text.printable)' makes more than \(mostXFSGroups) allocation groups, which no node can do "
                    + "with"
            }
            if option.letter == "m", option.numbers("crc").contains(where: { $0.value == 0 }) {
                return "'\(option.text.printable)' makes an xfs of version 4, without checksums, which kernels do not "
                    + "mount any more"
            }
            if option.letter == "n", option.all("version").contains(where: { $0.lowercased() == "ci" }) {
                return
                    "'\(option.text.printable)' makes an xfs that takes names in any case, which kernels do not mount any "
                    + "more"
            }
        }
        return nil
    }

    /// The most allocation groups that a node can do with (`GrowthLimit`).
    static let mostXFSGroups: UInt64 = 10_000

    /// 10,000 allocation groups, each a block short of 1 TiB at most, or as many as the class says.
    ///
    /// A node grows a file system to no more than that (`GrowthLimit`).
    ///
    /// See: xfsprogs libxfs/xfs_fs.h, `XFS_AG_MAX_BLOCKS`.
    static func largestXFS(_ options: [ToolOptions.Option]) -> UInt64 {
        let data = options.filter { $0.letter == "d" }
        let units = units(options)
        let block = max(units["b"] ?? 4096, 512)
        let most = ((1 << 40) - 1) / block * block
        let size = data.flatMap { $0.numbers("agsize") }.compactMap { $0.bytes(units) }.max()
        if size == nil, let count = data.flatMap({ $0.numbers("agcount") }).compactMap(\.plain).max() {
            return min(max(count, 1), mostXFSGroups) * most
        }
        return mostXFSGroups * min(max(size ?? most, 1 << 20), most)
    }

    /// Bytes of a block and of a sector, the units that a size may have beside the binary ones.
    private static func units(_ options: [ToolOptions.Option]) -> [String: UInt64] {
        func size(_ letter: Character, _ names: [String], _ usual: UInt64) -> UInt64 {
            let numbers = options.filter { $0.letter == letter }.flatMap { option in names.flatMap(option.numbers) }
            return numbers.compactMap { $0.bytes([:]) }.last ?? usual
        }
        return ["b": size("b", ["size"], 4096), "s": size("s", ["size", "sectsize"], 512)]
    }
}
