internal import ExactText
internal import ImageMapping
internal import Secrets

/// A user of a cluster: a connection is made for each, and serves all images of that user.
///
/// The key is none of it: who comes with another one gets the connection anew.
struct ClusterUser: Hashable {
    private let monitors: [ExactText]
    private let userID: ExactText

    /// Whoever asks for this image.
    init(_ request: MapRequest) {
        monitors = request.monitors.map { ExactText($0) }
        userID = ExactText(request.credentials.userID)
    }
}
