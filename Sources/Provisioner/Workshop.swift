internal import KubernetesAPI
internal import Logging
internal import Secrets
internal import Volumes

/// What every reconciler works with.
struct Workshop: Sendable {
    let settings: DriverSettings
    let client: KubernetesClient
    let service: any ControllerService
    let secrets: CephSecrets
    let events: EventRecorder
    let claims: ObjectCache<PersistentVolumeClaim>
    let volumes: ObjectCache<PersistentVolume>
    let classes: ObjectCache<StorageClass>
    let observer: StepObserver?
    let cluster = ClusterUID()
    let agents: AgentSurvey
    let logger: Logger

    /// Indexes of `volumes`: by the uid of their claim, unless they are named after it, as Nacre's are; and free ones
    /// by class or by the claim that they name.
    static let oddVolumesByClaim = 0
    static let freeVolumes = 1

    /// Indexes of `claims`: the unbound ones by class.
    static let unboundByClass = 0
    /// And by what their volumes are to be filled from, see `sourceKey`.
    static let unboundBySource = 1

    /// The index value of a claim without a volume that is to be filled from another object.
    static func sourceKey(of claim: PersistentVolumeClaim) -> String? {
        guard claim.volumeName.isEmpty, let source = claim.details?.dataSource else { return nil }
        return sourceKey(source.kind, claim.metadata.namespace, source.name)
    }

    /// The index value of the claims that are to be filled from that object.
    static func sourceKey(_ kind: String, _ namespace: String, _ name: String) -> String {
        "\(kind) \(namespace)/\(name)"
    }

    /// The name of a claim's volume, also for the volume service.
    func volumeName(of claim: PersistentVolumeClaim) -> String {
        "\(settings.volumeNamePrefix)-\(claim.metadata.uid)"
    }

    /// The uid in a volume's name, of the claim that it was made for; `nil` for a name of another form.
    func claimUID(ofVolume name: String) -> String? {
        let prefix = "\(settings.volumeNamePrefix)-"
        guard name.utf8.starts(with: prefix.utf8), name.utf8.count > prefix.utf8.count else { return nil }
        return String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
    }

    /// The uid of a volume's claim, unless it is in the volume's name.
    static func claimOfOddName(_ volume: PersistentVolume, prefix: String) -> String? {
        guard let uid = volume.claim?.uid, !uid.isEmpty, volume.metadata.name != "\(prefix)-\(uid)" else { return nil }
        return uid
    }

    /// Records that a step begins; the crash tests use it.
    func enter(_ step: ProvisionStep) { observer?(step) }

    /// The same of snapshots.
    func enter(_ step: SnapshotObjectStep) { observer?(step) }

    var deadline: ContinuousClock.Instant { .now + settings.callTimeout }

    func log(_ error: any Error, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        logger.warning(message, metadata: metadata.merging([LogKey.reason: "\(error)"]) { $1 })
    }
}

/// The steps between the API server and the volume service: the places where a controller can be killed.
///
/// | operation | killed at | leaves | the next controller |
/// | --- | --- | --- | --- |
/// | provision | readingSecret | nothing | starts again |
/// | provision | savingVolume | the image | finds it by its name; if the claim is gone, the scan reports it |
/// | provision | bindingClaim | image and PersistentVolume | completes the binding, as the binder would |
/// | provision | settingPhases | a claim that names its volume | completes the phases, as the binder would |
/// | take back | removingVolume | a PersistentVolume without claim | finds it released |
/// | delete | releasingClaim | the claim being deleted | lets it go, if the protection controller did not |
/// | delete | deletingImage | the PersistentVolume | starts again |
/// | delete | removingVolume | a PersistentVolume without image | finds no image, goes on |
/// | delete | removingFinalizer | a PersistentVolume being deleted | finds no image, removes the finalizer |
package enum ProvisionStep: String, OperationStep, CaseIterable {
    /// Reading a Ceph user.
    case readingSecret
    /// POST of the PersistentVolume.
    case savingVolume
    /// PATCH of the claim.
    case bindingClaim
    /// PATCH of both statuses.
    case settingPhases
    /// PATCH of a deleted claim's finalizers: no pod uses it.
    case releasingClaim
    /// Moving the image to the trash.
    case deletingImage
    /// DELETE of the PersistentVolume.
    case removingVolume
    /// PATCH of its finalizers.
    case removingFinalizer
    /// Growing the image.
    case growingImage
    /// PATCH of the PersistentVolume's capacity.
    case recordingCapacity
    /// PATCH of the claim's status.
    case recordingResize

    /// The step's name in the crash matrix.
    package var name: String { rawValue }

    /// What is going on, for a person.
    package var phrase: String {
        switch self {
        case .readingSecret: "reading the Secret for"
        case .savingVolume: "saving PersistentVolume"
        case .bindingClaim: "binding claim"
        case .settingPhases: "setting the phases of"
        case .releasingClaim: "letting go claim"
        case .deletingImage: "deleting the image of"
        case .removingVolume: "removing PersistentVolume"
        case .removingFinalizer: "removing the finalizer of"
        case .growingImage: "growing the image of"
        case .recordingCapacity: "recording the capacity of"
        case .recordingResize: "recording the resize of claim"
        }
    }
}
