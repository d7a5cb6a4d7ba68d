import Volumes

/// A call of kubelet to its FlexVolume driver.
enum FlexCall: Sendable {
    /// `mount DIRECTORY OPTIONS`: for one pod; several pods may have one volume.
    case mount(directory: String, FlexOptions)
    /// `unmount DIRECTORY`: kubelet names only the path, not the volume.
    case unmount(directory: String)
    /// `expandfs OPTIONS DEVICE PATH NEW-BYTES OLD-BYTES`: the image may not have grown yet, because kubelet does not
    /// tell the controller.
    case expand(FlexOptions, path: String, bytes: UInt64)
    /// Whether somebody is here.
    case ping

    /// Reads the arguments of the driver's program.
    ///
    /// - Parameter arguments: The call's name and its arguments.
    /// - Throws: `VolumeError` with `.invalidArgument`.
    init(_ arguments: [String]) throws(VolumeError) {
        switch (arguments.first, arguments.count) {
        case ("mount", 3):
            self = .mount(directory: try Self.path(arguments[1]), try FlexOptions(parsing: arguments[2]))
        case ("unmount", 2):
            self = .unmount(directory: try Self.path(arguments[1]))
        case ("expandfs", 5...6):
            guard let bytes = UInt64(arguments[4]) else {
                throw .invalid("the size '\(arguments[4].printable)' is not a number of bytes")
            }
            self = .expand(try FlexOptions(parsing: arguments[1]), path: try Self.path(arguments[3]), bytes: bytes)
        case ("ping", 1): self = .ping
        case (let name, let count):
            throw .invalid("kubelet's call '\((name ?? "").printable)' with \(count) arguments is not known")
        }
    }

    private static func path(_ text: String) throws(VolumeError) -> String {
        guard text.utf8.first == UInt8(ascii: "/") else {
            throw .invalid("'\(text.printable)' is not an absolute path")
        }
        return text
    }
}
