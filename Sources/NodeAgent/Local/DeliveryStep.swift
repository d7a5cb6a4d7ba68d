import Volumes

/// The steps of a directory's delivery; the crash tests kill the agent at each.
enum DeliveryStep: String, CaseIterable, OperationStep {
    /// Making the directory.
    case makingPlace
    /// Binding the volume on it.
    case bindingPlace
    /// Renaming it to where kubelet looks.
    case showingPlace
    /// Renaming it away.
    case hidingPlace
    /// Unmounting it.
    case unmountingPlace
    /// Removing it.
    case removingPlace
    /// Unstaging the volume that no place shows any more.
    case unstaging

    /// The step's name in the crash matrix.
    var name: String { rawValue }

    /// The case's words.
    var phrase: String {
        switch self {
        case .makingPlace: "making the place for kubelet"
        case .bindingPlace: "binding the volume on it"
        case .showingPlace: "showing it to kubelet"
        case .hidingPlace: "hiding it from kubelet"
        case .unmountingPlace: "unmounting it"
        case .removingPlace: "removing it"
        case .unstaging: "unstaging the volume"
        }
    }
}
