internal import BlockDevices
internal import DiskZap
internal import Glibc
internal import LinuxKernel

/// Where on a disk which bytes are, to scale, in one line: each cell stands for an equal part of the disk and shows the
/// most important of what lies in it.
struct DiskMap {
    /// What a cell shows, the more important the later.
    enum Kind: Int, CaseIterable {
        case nothing, partition, volume, osd, table, mark, erased

        /// Its letter, and its colour on a terminal (the number of a background).
        var look: (letter: Character, colour: Int, name: String) {
            switch self {
            case .nothing: (".", 100, "free")
            case .partition: ("p", 44, "partition")
            case .volume: ("v", 46, "volume or data behind a header")
            case .osd: ("O", 43, "OSD")
            case .table: ("T", 45, "partition table")
            case .mark: ("#", 42, "mark of a format")
            case .erased: ("x", 41, "erased")
            }
        }
    }

    static let width = 64
    private(set) var cells = [Kind](repeating: .nothing, count: DiskMap.width)
    private let sizeBytes: UInt64

    /// What lies on a disk.
    init(_ contents: DeviceContents) {
        sizeBytes = contents.sizeBytes
        for region in contents.regions {
            let kind: Kind =
                if !region.owners.isEmpty { .osd } else {
                    switch region.kind {
                    case .device, .freeSpace: .nothing
                    case .partition, .nestedPartition: .partition
                    case .logicalVolume, .dataArea: .volume
                    }
                }
            if kind != .nothing { region.extents.forEach { show(kind, $0) } }
            for signature in region.signatures where signature.usage != .partitionTable {
                guard let place = region.deviceOffset(of: signature.mark.offset) else { continue }
                show(.mark, ByteExtent(offset: place, length: signature.mark.length))
            }
        }
        contents.tablePlaces.forEach { show(.table, $0) }
    }

    /// What a plan erases.
    init(_ plan: ZapPlan) {
        sizeBytes = plan.identity.sizeBytes
        plan.ranges.forEach { show(.erased, $0) }
    }

    private mutating func show(_ kind: Kind, _ extent: ByteExtent) {
        guard sizeBytes > 0, extent.length > 0, extent.offset < sizeBytes else { return }
        func cell(_ offset: UInt64) -> Int {
            let product = min(offset, sizeBytes - 1).multipliedFullWidth(by: UInt64(Self.width))
            return Int(sizeBytes.dividingFullWidth(product).quotient)
        }
        for index in cell(extent.offset)...cell(extent.end - 1) where cells[index].rawValue < kind.rawValue {
            cells[index] = kind
        }
    }

    /// The map and its legend; in colours on a terminal that has not asked for none (`NO_COLOR`).
    func lines(_ title: String, isColoured: Bool = DiskMap.isTerminal) -> [String] {
        let shown = Kind.allCases.filter(cells.contains)
        guard isColoured else {
            let legend = shown.map { "\($0.look.letter) \($0.look.name)" }.joined(separator: ", ")
            return ["  \(title)[\(String(cells.map(\.look.letter)))] \(legend)"]
        }
        func block(_ kind: Kind, _ text: String) -> String { "\u{1B}[\(kind.look.colour);30m\(text)\u{1B}[0m" }
        let legend = shown.map { "\(block($0, " \($0.look.letter) ")) \($0.look.name)" }.joined(separator: "  ")
        let map = cells.map { block($0, $0 == .nothing ? " " : String($0.look.letter)) }.joined()
        return ["  \(title)\(map)", "            \(legend)"]
    }

    /// Whether results go to a terminal that shows colours.
    static var isTerminal: Bool {
        DevicePath.isTerminal(STDOUT_FILENO) && getenv("NO_COLOR") == nil
            && getenv("TERM").map { String(cString: $0) } != "dumb"
    }
}
