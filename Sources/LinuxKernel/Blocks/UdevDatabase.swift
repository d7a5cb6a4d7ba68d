internal import ExactText

/// What udevd noted of devices, read without udevadm.
///
/// See: `/run/udev/data/b8:0`, lines `E:KEY=VALUE` and `S:link`.
public struct UdevDatabase: Sendable {
    /// `/run/udev/data`, or a directory that a test made.
    public let directory: String

    /// Reads below `directory`.
    public init(directory: String = "/run/udev/data") { self.directory = directory }

    /// The properties of a block device; none when udev does not run.
    public func properties(of device: DeviceNumber) -> [String: String] {
        var found: [String: String] = [:]
        for line in lines(of: device) where line.startsExactly(with: "E:") {
            let pair = (line.behind("E:") ?? "").parts(at: "=", most: 1)
            if pair.count == 2 { found[pair[0]] = pair[1] }
        }
        return found
    }

    /// The links below `/dev` that lead to a block device.
    public func links(of device: DeviceNumber) -> [String] {
        lines(of: device).compactMap { $0.behind("S:") }.map { "/dev/\($0)" }.sortedExactly()
    }

    private func lines(of device: DeviceNumber) -> [String] {
        guard let text = try? KernelFile.text("\(directory)/b\(device)") else { return [] }
        return text.parts(at: "\n", omittingEmpty: true)
    }
}
