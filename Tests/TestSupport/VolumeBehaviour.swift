public import Secrets
public import Testing
public import Volumes

/// The contract of `ControllerService`, written once.
///
/// The unit tests run it in memory, the cluster tests on Ceph.
public struct VolumeBehaviour: Sendable, CustomTestStringConvertible {
    /// The rule, as a sentence.
    public let testDescription: String
    /// Checks it.
    public let check: @Sendable (Bench) async throws -> Void

    /// A service under test, and the values for its requests.
    public struct Bench: Sendable {
        /// The service.
        public let service: any ControllerService
        /// Valid parameters: clusterID and pool.
        public let parameters: [String: String]
        /// A user with all rights.
        public let credentials: Credentials
        /// A prefix that is unique for each test, so that tests do not interfere.
        public let prefix: String

        /// Creates a bench.
        public init(
            service: any ControllerService,
            parameters: [String: String],
            credentials: Credentials,
            prefix: String
        ) {
            self.service = service
            self.parameters = parameters
            self.credentials = credentials
            self.prefix = prefix
        }

        var deadline: ContinuousClock.Instant { .now + .seconds(60) }

        /// A valid request for a volume whose name has the test's prefix and `name`.
        public func request(
            _ name: String,
            required: Int64 = 64 << 20,
            limit: Int64 = 0,
            adding: [String: String] = [:],
            capability: VolumeCapability = VolumeCapability(.mount(MountAccess()), mode: .singleNodeWriter)
        ) throws -> CreateVolumeRequest {
            CreateVolumeRequest(
                name: "\(prefix)-\(name)",
                range: try CapacityRange(requiredBytes: required, limitBytes: limit),
                capabilities: [capability],
                parameters: parameters.merging(adding) { $1 },
                credentials: credentials
            )
        }

        /// Creates and returns it.
        public func create(_ request: CreateVolumeRequest) async throws -> Volume {
            try await service.createVolume(request, deadline: deadline)
        }

        /// What stands on its image.
        func metadata(_ id: VolumeID) async throws -> [String: String] {
            try await service.metadata(of: id.description, credentials: credentials, deadline: deadline)
        }

        func expand(
            _ id: VolumeID,
            _ required: Int64,
            limit: Int64 = 0,
            for fileSystem: String? = nil
        ) async throws -> ExpandedVolume {
            try await service.expandVolume(
                ExpandVolumeRequest(
                    volumeID: id.description,
                    range: CapacityRange(requiredBytes: required, limitBytes: limit),
                    capability: fileSystem.map {
                        VolumeCapability(.mount(MountAccess(fsType: $0)), mode: .singleNodeWriter)
                    },
                    credentials: credentials
                ),
                deadline: deadline
            )
        }

        /// Deletes it.
        public func delete(_ id: String) async throws {
            try await service.deleteVolume(id, credentials: credentials, deadline: deadline)
        }

        func expect(_ code: VolumeError.Code, _ body: () async throws -> Void) async {
            do {
                try await body()
                Issue.record("expected \(code), but it succeeded")
            } catch let error as VolumeError {
                #expect(error.code == code, "\(error.message)")
                #expect(!error.message.isEmpty && error.message.first?.isUppercase != true)
            } catch {
                Issue.record("expected a VolumeError, got \(error)")
            }
        }
    }

    init(_ sentence: String, _ check: @escaping @Sendable (Bench) async throws -> Void) {
        testDescription = sentence
        self.check = check
    }

    /// All of them.
    public static let all: [VolumeBehaviour] = creating + deleting + expanding + asking + snapshots
}
