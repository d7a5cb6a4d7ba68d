/// The keys of this room's log lines.
enum LogKey {
    static let socket = "socket"
    static let method = "csi.method"
    static let volumeID = "csi.volume.id"
    static let requestName = "csi.request.name"
    static let code = "error.code"
    static let message = "error.message"
    static let duration = "duration.ms"
}
