import FoundationEssentials
import Glibc
import LinuxKernel
import Logging
import Secrets
import Synchronization
import Testing

@testable import ImageMapping
@testable import ImageOwnership
@testable import ImageServing
@testable import KernelMapping
@testable import NodeMapping

/// A mapper that maps nothing: it keeps a record, as they all do, and remembers what it was asked.
private final class RecordingMapper: ImageMapper {
    let kind: MapperKind
    let stateDirectory: String
    let missing: String?
    let isUnable: Bool
    private let isMapped = Mutex(false)

    init(_ kind: MapperKind, _ stateDirectory: String, lack: String? = nil, isUnable: Bool = false) {
        self.kind = kind
        self.stateDirectory = stateDirectory
        missing = lack
        self.isUnable = isUnable
    }

    private func directory(_ image: ImageAddress) -> MappingDirectory {
        MappingDirectory(path: "\(stateDirectory)/mappings/\(image.fileName)")
    }

    private var mapped: MappedDevice {
        MappedDevice(
            path: "/dev/\(kind)0",
            sizeBytes: 1,
            isReadOnly: false,
            device: DeviceNumber(major: 1, minor: 1),
            mapper: kind
        )
    }

    func lack() -> String? { missing }

    func map(_ request: MapRequest, observer: MappingObserver) throws(MappingError) -> MappedDevice {
        let record = "{\"version\":1,\"image\":\(json(request.image)),\"sharing\":\"oneNode\",\"mapper\":\"\(kind)\"}"
        do throws(KernelError) {
            try KernelFile.makeDirectories(directory(request.image).path)
            try KernelFile.replace(directory(request.image).record, with: Array(record.utf8))
        } catch {
            throw MappingError("write", error)
        }
        guard !isUnable else { throw MappingError(.unsupported, "it cannot") }
        isMapped.withLock { $0 = true }
        return mapped
    }

    func metadata(_ request: MapRequest) throws(MappingError) -> [String: String] { [:] }

    func apply(_ change: MetadataChange, _ request: MapRequest) throws(MappingError) {}

    func holdsObjects(_ request: MapRequest, in range: Range<UInt64>) throws(MappingError) -> Bool? { false }

    func grow(
        _ image: ImageAddress,
        toAtLeast bytes: UInt64,
        observer: MappingObserver
    ) throws(MappingError) -> UInt64 { bytes }

    func device(of image: ImageAddress) throws(MappingError) -> MappedDevice? {
        isMapped.withLock { $0 } ? mapped : nil
    }

    func unmap(_ image: ImageAddress, observer: MappingObserver) throws(MappingError) {
        isMapped.withLock { $0 = false }
        try? KernelFile.remove(directory(image).record)
        try? KernelFile.removeDirectory(directory(image).path)
    }

    /// As after the node's boot: the record is there, the device is not.
    func lose() { isMapped.withLock { $0 = false } }

    private func json(_ value: some Encodable) -> String {
        (try? JSONEncoder().encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

@Suite("Which mapper an image gets")
struct ImageMappersTests {
    private let directory = "/tmp/nacre-mappers-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"

    private func request() -> MapRequest {
        MapRequest(
            image: ImageAddress(clusterID: "c", pool: "p", namespace: "", name: "i"),
            monitors: [],
            credentials: Credentials(userID: "u", userKey: Secret("k")),
            sharing: .oneNode
        )
    }

    private func choose(_ mappers: [RecordingMapper]) -> ImageMappers {
        ImageMappers(
            mappers,
            stateDirectory: directory,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
    }

    private func clear() {
        try? KernelFile.removeDirectory("\(directory)/mappings")
        try? KernelFile.removeDirectory(directory)
    }

    @Test(
        "A class's mounter is taken, auto takes the first that can, and the others stand in where they may",
        arguments: [
            ("auto", false, MapperKind.nbd as MapperKind?), ("", false, .nbd), ("fuse", false, .fuse),
            ("rbd-nbd", false, .nbd), ("rbd", true, .nbd), ("rbd", false, nil), ("krbd", false, nil),
        ]
    )
    func choice(mounter: String, mayFallBack: Bool, expected: MapperKind?) throws {
        let mappers = choose([
            RecordingMapper(.krbd, directory, isUnable: true), RecordingMapper(.nbd, directory),
            RecordingMapper(.fuse, directory),
        ])
        let choice = try #require(MapperChoice(mounter: mounter, mayFallBack: mayFallBack))
        let device = try? mappers.map(request(), by: choice)
        #expect(device?.mapper == expected)
        try mappers.unmap(request().image)
        clear()
    }

    @Test("A mounter that is no mapper's name is no choice", arguments: ["ublk", "RBD", "krbd "])
    func unknown(mounter: String) {
        #expect(MapperChoice(mounter: mounter, mayFallBack: true) == nil)
    }

    @Test("What none can map is refused with what each lacks")
    func none() {
        let mappers = choose([
            RecordingMapper(.krbd, directory, lack: "no module rbd"), RecordingMapper(.fuse, directory, isUnable: true),
        ])
        #expect { try mappers.map(request()) } throws: {
            let error = $0 as? MappingError
            return error?.kind == .unsupported
                && error?.message.contains("krbd: no module rbd; fuse: it cannot") == true
        }
        clear()
    }

    @Test("An image stays with the mapper that has it, and goes to another one only when it is dead")
    func present() throws {
        let (krbd, fuse) = (RecordingMapper(.krbd, directory), RecordingMapper(.fuse, directory))
        let mappers = choose([krbd, fuse])
        let onlyFuse = MapperChoice(preferred: .fuse, mayFallBack: false)
        #expect(try mappers.map(request()).mapper == .krbd)
        #expect(throws: MappingError.self) { try mappers.map(request(), by: onlyFuse) }
        // A service with another order finds it where it is.
        let restarted = choose([fuse, krbd])
        #expect(try restarted.map(request()).mapper == .krbd)
        #expect(try restarted.grow(request().image, toAtLeast: 7) == 7)
        krbd.lose()
        #expect(try restarted.map(request()).mapper == .krbd)
        krbd.lose()
        #expect(try restarted.map(request(), by: onlyFuse).mapper == .fuse)
        #expect(try restarted.device(of: request().image)?.mapper == .fuse)
        try restarted.unmap(request().image)
        #expect(try restarted.device(of: request().image) == nil)
        clear()
    }
}
