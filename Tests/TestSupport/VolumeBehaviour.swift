public import Secrets
public import Testing
public import Volumes

/// What `ControllerService` promises, written once: run on memory in the unit tests and on Ceph in the cluster tests.
public struct VolumeBehaviour: Sendable, CustomTestStringConvertible {
    /// What it promises, as a sentence.
    public let testDescription: String
    /// Checks it.
    public let check: @Sendable (Bench) async throws -> Void

    /// A service to try, and how to speak to it.
    public struct Bench: Sendable {
        /// The service.
        public let service: any ControllerService
        /// Parameters that are right: clusterID and pool.
        public let parameters: [String: String]
        /// A user that may do all.
        public let credentials: Credentials
        /// Unique in each test, so that tests do not meet.
        public let prefix: String

        /// Puts a bench together.
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

        /// A request that is right, for a volume named by the test and `name`.
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

        func expand(_ id: VolumeID, _ required: Int64, limit: Int64 = 0) async throws -> ExpandedVolume {
            try await service.expandVolume(
                ExpandVolumeRequest(
                    volumeID: id.description,
                    range: CapacityRange(requiredBytes: required, limitBytes: limit),
                    capability: nil,
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
    public static let all: [VolumeBehaviour] = creating + deleting + expanding + asking
}
