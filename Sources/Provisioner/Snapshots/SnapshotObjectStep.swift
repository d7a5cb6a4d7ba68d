internal import Volumes

/// The steps of snapshots between the API server and the volume service: the places where a controller can be killed.
///
/// | operation | killed at | leaves | the next controller |
/// | --- | --- | --- | --- |
/// | take | holdingSnapshot | the VolumeSnapshot as it was | starts again |
/// | take | holdingClaim | a VolumeSnapshot with finalizers | goes on; deleted meanwhile, it goes |
/// | take | savingContent | a claim with a finalizer | goes on, or takes it off with the VolumeSnapshot |
/// | take | requestingSnapshot | a content that says: begun | repeats the create by its name |
/// | take | recordingSnapshot | the snapshot in Ceph | repeats the create, which finds it |
/// | take | clearingBegun | a content that is ready and says: begun | takes the word off |
/// | take | mirroringStatus | a VolumeSnapshot behind its content | writes what its content says |
/// | take | releasingSource | a claim with a finalizer | takes it off |
/// | delete | markingContent | a VolumeSnapshot being deleted | starts again |
/// | delete | removingContent | a content that may go | deletes it |
/// | delete | deletingSnapshot | a content being deleted | deletes the snapshot |
/// | delete | releasingContent | a content without snapshot | finds no snapshot, takes the finalizer off |
/// | delete | releasingSnapshot | a VolumeSnapshot without content | takes its finalizers off |
package enum SnapshotObjectStep: String, OperationStep, CaseIterable {
    /// PATCH of the VolumeSnapshot: finalizers and class.
    case holdingSnapshot
    /// PATCH of the claim's finalizers.
    case holdingClaim
    /// POST of the VolumeSnapshotContent.
    case savingContent
    /// Taking the snapshot.
    case requestingSnapshot
    /// PATCH of the content's status.
    case recordingSnapshot
    /// PATCH of the content's annotations: it is no longer begun.
    case clearingBegun
    /// PATCH of the VolumeSnapshot's status.
    case mirroringStatus
    /// PATCH of the claim's finalizers.
    case releasingSource
    /// PATCH of the content's annotations: its VolumeSnapshot is being deleted.
    case markingContent
    /// DELETE of the content.
    case removingContent
    /// Deleting the snapshot.
    case deletingSnapshot
    /// PATCH of the content's finalizers.
    case releasingContent
    /// PATCH of the VolumeSnapshot's finalizers.
    case releasingSnapshot

    /// The step's name in the crash matrix.
    package var name: String { rawValue }

    /// What is going on, for a person.
    package var phrase: String {
        switch self {
        case .holdingSnapshot: "holding VolumeSnapshot"
        case .holdingClaim: "holding the claim of VolumeSnapshot"
        case .savingContent: "saving the content of VolumeSnapshot"
        case .requestingSnapshot: "taking the snapshot of VolumeSnapshotContent"
        case .recordingSnapshot: "recording the snapshot of VolumeSnapshotContent"
        case .clearingBegun: "clearing the marks of VolumeSnapshotContent"
        case .mirroringStatus: "setting the status of VolumeSnapshot"
        case .releasingSource: "letting go the claim of a VolumeSnapshot"
        case .markingContent: "marking the content of VolumeSnapshot"
        case .removingContent: "removing the content of VolumeSnapshot"
        case .deletingSnapshot: "deleting the snapshot of VolumeSnapshotContent"
        case .releasingContent: "letting go VolumeSnapshotContent"
        case .releasingSnapshot: "letting go VolumeSnapshot"
        }
    }
}
