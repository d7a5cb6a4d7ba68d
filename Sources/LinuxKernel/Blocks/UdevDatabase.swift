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
        for line in lines(of: device) where line.hasPrefix("E:") {
            let pair = line.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { found[String(pair[0])] = String(pair[1]) }
        }
        return found
    }

    /// The links below `/dev` that lead to a block device.
    public func links(of device: DeviceNumber) -> [String] {
        lines(of: device).filter { $0.hasPrefix("S:") }.map { "/dev/" + $0.dropFirst(2) }.sorted()
    }

    private func lines(of device: DeviceNumber) -> [Substring] {
        guard let text = try? KernelFile.text("\(directory)/b\(device)") else { return [] }
        return text.split(separator: "\n")
    }
}
