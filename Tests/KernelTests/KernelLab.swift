import Glibc
import LinuxKernel
import NodeTestSupport
import RADOS
import RBD
import Secrets
import Subprocess
import SystemPackage
import Testing
import Volumes

@testable import ImageMapping
@testable import ImageOwnership
@testable import ImageServing
@testable import KernelMapping
@testable import NodeMapping

/// Runs a shell line within 120 s and returns what it printed; a failure is an issue of the test.
@discardableResult
func shell(_ line: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> String {
    let result = try await Subprocess.run(
        .path("/usr/bin/timeout"),
        arguments: ["120", "/bin/sh", "-c", "exec 2>&1; " + line],
        output: .string(limit: 1 << 20)
    )
    #expect(result.terminationStatus.isSuccess, "\(line): \(result.standardOutput)", sourceLocation: sourceLocation)
    return result.standardOutput
}

/// A deadline that no test should reach.
var soon: ContinuousClock.Instant { .now + .seconds(120) }

/// The cluster as its administrator sees it.
///
/// A start of the rbd program takes half a second in a guest.
struct Administrator {
    let context: IOContext

    init() throws {
        let directory = NodeLab.clusterDirectory ?? ""
        let key = KernelFile.firstLine("\(directory)/keys/client.admin.key") ?? ""
        let lab = try NodeLab(directory: "/tmp", placement: .stay)
        let cluster = try Cluster.connect(
            monitors: lab.monitors,
            credentials: Credentials(userID: "admin", userKey: Secret(key))
        )
        context = try cluster.ioContext(pool: "rbd", namespace: "")
    }

    func create(_ image: String, megabytes: UInt64, features: ImageFeatures = .forKernels) throws {
        var options = ImageOptions()
        options.features = features
        try context.createImage(image, sizeBytes: megabytes << 20, options: options)
        let id = try #require(try context.idOfImage(named: image))
        _ = try context.replaceMetadata("nacre.io/request-name", nil, with: image, ofImageID: id)
    }

    func grow(_ image: String, megabytes: UInt64) throws {
        let open = try Image.open(image, in: context, access: .readWrite)
        defer { open.close() }
        try open.grow(toBytes: megabytes << 20)
    }
}

extension ImageFeatures {
    /// What classes ask for.
    static let forKernels: ImageFeatures = [.layering, .exclusiveLock, .objectMap, .fastDiff, .deepFlatten]
}

extension NodeLab {
    /// A node that maps by the kernel, an image of that name and its staging directory.
    static func kernel(
        _ image: String,
        megabytes: UInt64 = 256,
        features: ImageFeatures = .forKernels
    ) throws -> NodeLab {
        var lab = try NodeLab(directory: "/tmp/\(image)", placement: .stay)
        lab.mappers = [.krbd]
        try KernelFile.makeDirectories(lab.stagingPath(image))
        try KernelFile.makeDirectories("\(lab.directory)/pods")
        try Administrator().create(image, megabytes: megabytes, features: features)
        return lab
    }

    func address(_ image: String) -> ImageAddress {
        ImageAddress(clusterID: "lab", pool: "rbd", namespace: "", name: image)
    }

    func mapRequest(
        _ image: String,
        sharing: ImageSharing = .oneNode,
        monitors: [String]? = nil,
        credentials: Credentials? = nil,
        mapOptions: String = ""
    ) -> MapRequest {
        MapRequest(
            image: address(image),
            monitors: monitors ?? self.monitors,
            credentials: credentials ?? self.credentials,
            sharing: sharing,
            mapOptions: mapOptions
        )
    }

    /// Maps without a service.
    func map(_ request: MapRequest) throws -> MappedDevice { try kernelMapper().map(request) { _, _ in } }
    /// Unmaps without a service.
    func unmap(_ image: String) throws { try kernelMapper().unmap(address(image)) { _, _ in } }

    /// A mapper that does not wait long for who only looks at a device.
    func impatientMapper() -> KernelRBDMapper {
        var limits = KernelRBDMapper.Limits()
        limits.busy = .milliseconds(300)
        return KernelRBDMapper(
            stateDirectory: directory,
            crushLocation: "",
            owner: nil,
            bus: KernelRBDBus(),
            limits: limits,
            logger: quietLogger
        )
    }

    /// What a volume leaves when it is not taken away wholly, and the image itself, which goes.
    func remains(_ image: String) throws -> [String] {
        var remains = try KernelFile.names(in: "/sys/bus/rbd/devices").map { "device rbd\($0)" }
        remains += try MountTable.current().mounts.filter { $0.mountPoint.hasPrefix("\(directory)/") }
            .map { "mount \($0.mountPoint)" }
        for place in ["volumes", "mappings"] {
            remains += ((try? KernelFile.names(in: "\(directory)/\(place)")) ?? []).map { "\(place)/\($0)" }
        }
        remains += try KernelFile.text("/proc/keys").split(separator: "\n").filter { $0.contains("nacre.") }.map(
            String.init
        )
        let pool = try Administrator().context
        try pool.moveToTrash(image)
        for entry in try pool.trashEntries() where entry.name == image {
            try pool.removeFromTrash(id: entry.id) { _, _ in }
        }
        return remains
    }
}
