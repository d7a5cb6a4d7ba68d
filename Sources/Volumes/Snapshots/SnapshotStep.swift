/// The steps of every operation on snapshots and clones: the table of the places where a process can be killed.
///
/// A step is entered when all earlier steps are done, so "killed at a step" means: between it and the one before.
///
/// | operation | killed at | leaves | the retry |
/// | --- | --- | --- | --- |
/// | create snapshot | lookingUpSource, reservingName | nothing | takes it |
/// | create snapshot | notingSnapshot | the name in the index | finds the name its own, takes it |
/// | create snapshot | takingSnapshot | the record on the image | takes it |
/// | create snapshot | answeringSnapshot | the snapshot | finds it |
/// | delete snapshot | lookingUpSnapshot, removingSnapshot | the snapshot | removes it |
/// | delete snapshot | forgettingSnapshot | the record on the image, the name in the index | removes both |
/// | delete snapshot | releasingKept | a kept image without snapshots | the next look at the trash moves it there |
/// | clone | beginningClone | nothing | makes it |
/// | clone of a volume | takingSnapshot | the clone's mark | makes it |
/// | clone | cloningImage | of a volume the mark and a snapshot `csi-clone-…` | makes it, of that snapshot |
/// | clone | writingHeader, and within | an id, and of the rest all but the header | mends, makes it |
/// | clone by librbd | within cloningImage | the mark, and any part of an image | removes it, makes it anew |
/// | clone by librbd | growingClone, markingClone | the mark, an image that is no volume yet | removes it, makes it anew |
/// | clone | endingClone, answering | the volume, and what is left of its making | finds it, removes what is left |
/// | delete volume | keepingImage | the image | renames it |
/// | delete volume | within keepingImage | the image by one of its names, or both | ends the renaming |
public enum SnapshotStep: String, OperationStep, CaseIterable {
    /// Reading the source's id, its marks and its snapshots.
    case lookingUpSource
    /// Writing the snapshot's name into the pool's index of names.
    case reservingName
    /// Writing the snapshot's record on the image.
    case notingSnapshot
    /// `rbd_snap_create2`: the holder of the image's lock is asked to take it.
    case takingSnapshot
    /// All is done but the answer.
    case answeringSnapshot
    /// Reading a snapshot from its image's header.
    case lookingUpSnapshot
    /// `rbd_snap_remove2`.
    case removingSnapshot
    /// Removing the snapshot's record and its name in the index.
    case forgettingSnapshot
    /// Moving an image to the trash that was kept for its snapshots.
    case releasingKept
    /// Writing that an image of that name is being cloned.
    case beginningClone
    /// `rbd_clone3`.
    case cloningImage
    /// Growing the clone to the size wanted.
    case growingClone
    /// Writing the volume's metadata on the clone: with it, the clone is a volume.
    case markingClone
    /// Removing what the making needed: the mark, and the snapshot of a volume that was cloned.
    case endingClone
    /// Removing what a killed process left of a clone.
    case removingHalfClone
    /// Renaming the image of a deleted volume that has snapshots, so that they stay and its name is free.
    case keepingImage
    /// Reading the pools' indexes of snapshots.
    case listingSnapshots

    /// The step's name in the crash matrix.
    public var name: String { rawValue }

    /// What is going on, for a person.
    public var phrase: String {
        switch self {
        case .lookingUpSource: "looking up the source"
        case .reservingName: "reserving the name of snapshot"
        case .notingSnapshot: "noting snapshot"
        case .takingSnapshot: "taking snapshot"
        case .answeringSnapshot: "answering for snapshot"
        case .lookingUpSnapshot: "looking up snapshot"
        case .removingSnapshot: "removing snapshot"
        case .forgettingSnapshot: "forgetting snapshot"
        case .releasingKept: "moving to the trash the image kept for its snapshots"
        case .beginningClone: "beginning to clone image"
        case .cloningImage: "cloning image"
        case .growingClone: "growing clone"
        case .markingClone: "setting metadata of clone"
        case .endingClone: "ending the making of clone"
        case .removingHalfClone: "removing half-made clone"
        case .keepingImage: "keeping for its snapshots image"
        case .listingSnapshots: "listing snapshots"
        }
    }
}
