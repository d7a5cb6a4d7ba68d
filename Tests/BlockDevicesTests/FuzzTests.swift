import Glibc
import LinuxKernel
import Testing

@testable import BlockDevices

/// A generator whose runs can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// See: splitmix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Bytes that count how often and how far they are read: no parser may ask for the world.
final class WatchedSource: ByteSource {
    let sizeBytes: UInt64
    private let bytes: [UInt8]
    private(set) var reads = 0
    private(set) var bytesRead = 0

    init(_ bytes: [UInt8], sizeBytes: UInt64) {
        self.bytes = bytes
        self.sizeBytes = sizeBytes
    }

    func bytes(at offset: UInt64, count: Int) -> [UInt8] {
        reads += 1
        guard offset < sizeBytes, count > 0 else { return [] }
        let count = Int(min(UInt64(count), sizeBytes - offset))
        bytesRead += count
        guard offset < UInt64(bytes.count) else { return [UInt8](repeating: 0, count: count) }
        let part = bytes[Int(offset)..<min(bytes.count, Int(offset) + count)]
        return Array(part) + [UInt8](repeating: 0, count: count - part.count)
    }
}

@Suite("Foreign bytes: every parser ends, and none traps")
struct FuzzTests {
    /// How many inputs; NACRE_FUZZ_INPUTS asks for a long run.
    static let inputs = getenv("NACRE_FUZZ_INPUTS").flatMap { Int(String(cString: $0)) } ?? 20_000
    static let seed = getenv("NACRE_FUZZ_SEED").flatMap { UInt64(String(cString: $0)) } ?? 1

    enum Parser: String, CaseIterable {
        case blueStore, lvm, lvmText, luks, gpt, mbr, whole
    }

    @Test("Mutated images of every kind", arguments: Parser.allCases)
    func mutated(parser: Parser) throws {
        var generator = SeededGenerator(
            seed: Self.seed &* 1000 &+ UInt64(parser.rawValue.utf8.reduce(0) { $0 &+ Int($1) })
        )
        let corpus = try Self.corpus(parser)
        // The whole inspection runs all the others.
        let count = parser == .whole ? Self.inputs / 40 : Self.inputs / 7
        for _ in 0..<count {
            let image = Self.mutated(corpus.randomElement(using: &generator) ?? [], using: &generator)
            Self.run(parser, image, sizeBytes: Self.size(for: image, using: &generator))
        }
    }

    private static func corpus(_ parser: Parser) throws -> [[UInt8]] {
        switch parser {
        case .blueStore: return try ["bluestore-single", "bluestore-block.db"].map(Fixture.bytes)
        case .lvm, .lvmText: return [try Fixture.bytes("lvm")]
        case .luks: return try ["luks1", "luks2", "luks2-second"].map(Fixture.bytes)
        case .gpt: return [try table(), try table(sectorBytes: 4096)]
        case .mbr: return [MBR.protective(blocks: 1000, sectorBytes: 512)]
        case .whole: return try Fixture.names.map(Fixture.bytes) + [try table()]

        }
    }

    private static func table(sectorBytes: UInt64 = 512) throws -> [UInt8] {
        let guid = GUID(text: "CAFECAFE-9B03-4F30-B4C6-B4B80CEFF106") ?? .zero
        let size: UInt64 = 256 << 10
        var layout = try GPTLayout(sizeBytes: size, sectorBytes: sectorBytes, diskGUID: guid)
        let entry = GPTEntry(type: guid, unique: guid, firstLBA: layout.firstUsableLBA, lastLBA: layout.lastUsableLBA)
        try layout.add(1, entry)
        var bytes = [UInt8](repeating: 0, count: Int(size))
        for write in layout.writes {
            bytes.replaceSubrange(Int(write.offset)..<(Int(write.offset) + write.bytes.count), with: write.bytes)
        }
        return bytes
    }

    private static func size(for image: [UInt8], using generator: inout SeededGenerator) -> UInt64 {
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: UInt64(image.count)
        case 1: UInt64(image.count) * 4
        case 2: 1 << UInt64.random(in: 9...43, using: &generator)
        default: UInt64.random(in: 0...UInt64(image.count), using: &generator)
        }
    }

    private static func mutated(_ image: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
        var image = image
        for _ in 0..<Int.random(in: 1...6, using: &generator) where !image.isEmpty {
            // Most of what matters stands at the beginning.
            let reach = Bool.random(using: &generator) ? min(image.count, 640) : image.count
            let offset = Int.random(in: 0..<reach, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: image[offset] = UInt8.random(in: 0 ... .max, using: &generator)
            case 1: image[offset] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 2: for index in offset..<min(image.count, offset + 8) { image[index] = 0xFF }
            case 3: for index in offset..<min(image.count, offset + 8) { image[index] = 0 }
            case 4: image.removeSubrange(offset...)
            default:
                let from = Int.random(in: 0..<image.count, using: &generator)
                let length = min(64, image.count - max(from, offset))
                for index in 0..<max(0, length) { image[offset + index] = image[from + index] }
            }
        }
        return image
    }

    private static func run(_ parser: Parser, _ image: [UInt8], sizeBytes: UInt64) {
        let source = WatchedSource(image, sizeBytes: sizeBytes)
        switch parser {
        case .blueStore: _ = BlueStoreLabels(source)?.current?.metadata
        case .lvm: _ = LVMPhysicalVolume(source)?.group
        case .lvmText:
            let text = image.dropFirst(4608).prefix { $0 != 0 }
            _ = LVMVolumeGroup(text: Array(text))
        case .luks: _ = LUKSHeader(source)?.keyArea
        case .gpt:
            for sector in [512, 4096] as [UInt64] {
                guard let gpt = GPT(source, sectorBytes: sector) else { continue }
                _ = gpt.problems(mbr: MBR(source, sectorBytes: sector))
                _ = gpt.partitions.compactMap { gpt.extent(of: $0.entry) }
                _ = gpt.extents
                _ = (try? GPTLayout(gpt, sizeBytes: sizeBytes))?.writes
            }
        case .mbr: _ = MBR(source, sectorBytes: 512)?.entries
        case .whole:
            let contents = DeviceContents(source, sectorBytes: 512)
            _ = contents.regions.flatMap(\.owners)
            #expect(contents.regions.allSatisfy { $0.extents.allSatisfy { $0.end <= max(sizeBytes, 0) } })

        }
        #expect(source.reads < 200_000)
        #expect(source.bytesRead < 600 << 20)
    }
}
