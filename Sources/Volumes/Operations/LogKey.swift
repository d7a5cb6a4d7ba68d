/// The keys of what is logged: one word for one thing in all rooms.
package enum LogKey {
    package static let method = "csi.method"
    package static let volumeID = "csi.volume.id"
    package static let snapshotID = "csi.snapshot.id"
    package static let requestName = "csi.request.name"
    package static let image = "rbd.image"
    package static let claim = "k8s.claim"
    package static let snapshot = "k8s.snapshot"
    package static let volume = "k8s.volume"
    package static let socket = "socket"
    package static let code = "error.code"
    package static let message = "error.message"
    package static let reason = "reason"
    package static let duration = "duration.ms"
}
