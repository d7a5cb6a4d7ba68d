/// The steps of every controller operation: the table of the places where a process can be killed.
///
/// A step is entered when all earlier steps are done, so "killed at a step" means: between it and the one before.
///
/// | operation | killed at | leaves | the retry |
/// | --- | --- | --- | --- |
/// | create | lookingUp, creatingImage | nothing | makes it |
/// | create | writingHeader | an id | mends, makes it |
/// | create | within writingHeader | an id and any of header, directory entry, object map | makes it whole, or anew |
/// | create | within creatingImage, by librbd | a directory entry, an id, a header without object map | mends, makes it |
/// | create | settingMetadata | the image without its metadata | finds it, writes the metadata |
/// | create | answering | the image | finds it |
/// | create | mendingImage | what was half made | mends it |
/// | delete | lookingUp, checkingUse, movingToTrash | the image | moves it |
/// | delete | within movingToTrash | a trash entry beside the image or half of it | moves it |
/// | delete | recheckingUse, answering | the image in the trash | finds nothing: success; the purger empties the trash |
/// | delete | restoringImage | the image of a live client in the trash | success; the purger finds it watched and waits |
/// | expand | lookingUp, growingImage | the old size | grows it |
/// | expand | answering | the new size | finds it large enough |
public enum VolumeStep: String, OperationStep, CaseIterable {
    /// Getting a connection to the cluster.
    case connecting
    /// Reading what there is under the image's name.
    case lookingUp
    /// Taking the image's name, or `rbd_create4` for an image that is not plain.
    case creatingImage
    /// Writing, all at once, the objects of the new image's id.
    case writingHeader
    /// Removing or completing what a killed process left.
    case mendingImage
    /// One class call on the image's header.
    case settingMetadata
    /// Reading who has the image open.
    case checkingUse
    /// The four calls that move a plain image, or `rbd_trash_move`.
    case movingToTrash
    /// Reading again who has the image open: a client may have opened it during the move.
    case recheckingUse
    /// `rbd_trash_restore`: someone came.
    case restoringImage
    /// librbd waits for the client that holds the image's lock, or asks it to do the operation.
    case waitingForLock
    /// `rbd_open` and `rbd_resize2`.
    case growingImage
    /// Reading the pools' images.
    case listing
    /// Asking the monitors how full the pools are.
    case readingCapacity
    /// All is done but the answer.
    case answering

    /// The step's name in the crash matrix.
    public var name: String { rawValue }

    /// What is going on, for a person.
    public var phrase: String {
        switch self {
        case .connecting: "connecting to cluster"
        case .lookingUp: "looking up image"
        case .creatingImage: "creating image"
        case .writingHeader: "writing the header of image"
        case .mendingImage: "mending half-made image"
        case .settingMetadata: "setting metadata of image"
        case .checkingUse: "reading the watchers of image"
        case .movingToTrash: "moving to the trash image"
        case .recheckingUse: "reading again the watchers of image"
        case .restoringImage: "restoring from the trash image"
        case .waitingForLock: "waiting for the lock of image"
        case .growingImage: "growing image"
        case .listing: "listing images"
        case .readingCapacity: "reading the capacity of pool"
        case .answering: "answering for"
        }
    }
}
