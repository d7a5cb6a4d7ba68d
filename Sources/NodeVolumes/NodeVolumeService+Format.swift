internal import BlockDevices
internal import LinuxKernel
internal import NodeMapping
internal import Volumes

/// When a file system is made, and when never.
///
/// | the device holds | the image says | what is done |
/// | --- | --- | --- |
/// | nothing at both ends | nothing, or `formatting` | it is made |
/// | nothing at both ends | `formatted` | refused: what was there is gone, and a new one would bury it |
/// | what a mkfs left that did not end, or a file system that nobody ever mounted | `formatting` | it is made anew, by force |
/// | a file system that was mounted | `formatting` | the image is said to be formatted, and it is taken as it is |
/// | the file system that is wanted | nothing, or `formatted` | it is taken as it is |
/// | anything else | anything | refused |
extension NodeVolumeService {
    /// Whether a file system is to be made, and by force.
    enum Making: Sendable, Hashable {
        case none
        case plain
        /// What is there is proven to be what a mkfs left.
        case forced
    }

    func making(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ content: DeviceContent,
        _ state: FormatState
    ) async throws(VolumeError) -> Making {
        switch (content, state) {
        case (.blank, .none): return .plain
        case (.blank, .formatting): return .forced
        case (.blank, .formatted(let text)):
            throw VolumeError(
                .failedPrecondition,
                "cannot stage volume '\(record.volumeID)': its image says '\(text.printable)', but both its ends are zeros: "
                    + "what was there is lost or was wiped; nothing was written; restore it, or, to begin anew: rbd "
                    + "image-meta remove \(record.imageSpec) \(ImageMetadataKey.format)"
            )
        case (_, .formatting(let begun, _)):
            return try await isLeftover(record, device, content, begun) ? .forced : .none
        default: return .none
        }
    }

    /// Whether what is there is what a mkfs of that file system left, which nobody has used.
    private func isLeftover(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ content: DeviceContent,
        _ begun: String
    ) async throws(VolumeError) -> Bool {
        let found = try await kernel("look at the file system of volume '\(record.volumeID)'") {
            () throws(KernelError) in
            try FileSystemState.state(of: device.path, begun)
        }
        switch (content, found) {
        case (.known(let format), .untouched): return format == begun
        // Its super block comes last; what else is there has no name of its own.
        case (.unknown, .absent): return true
        default: return false
        }
    }

    /// Writes down how far it is, unless the image was taken by another node meanwhile.
    func note(_ next: FormatState, after present: FormatState, _ mapped: MapRequest) async throws(VolumeError) {
        let mapper = mapper
        try await mapping { (_) throws(MappingError) in try mapper.apply(present.change(to: next), mapped) }
    }
}
