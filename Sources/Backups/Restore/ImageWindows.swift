internal import Volumes

/// An image in windows of 4 MiB, as a backup has it.
struct ImageWindows: Sendable {
    /// A window that holds data.
    struct Window: Sendable, Equatable {
        /// Its number: its offset in windows.
        var number: UInt64
        /// What of it is in chunks, in the order of offsets.
        var extents: [BlockMap.Extent]
    }

    let map: BlockMap
    /// Those that hold data, in the order of offsets.
    let windows: [Window]

    static let bytes = UInt64(Chunk.mostBytes)

    init(_ map: BlockMap) {
        self.map = map
        var windows: [Window] = []
        for extent in map.extents {
            var rest = extent
            while rest.length > 0 {
                let number = rest.offset / Self.bytes
                var part = rest
                part.length = UInt32(min(rest.end, (number + 1) * Self.bytes) - rest.offset)
                if windows.last?.number == number {
                    windows[windows.count - 1].extents.append(part)
                } else {
                    windows.append(Window(number: number, extents: [part]))
                }
                rest.offset += UInt64(part.length)
                rest.position += part.length
                rest.length -= part.length
            }
        }
        self.windows = windows
    }

    /// How long a window is: the last one ends with the image.
    func length(of number: UInt64) -> Int {
        Int(min(Self.bytes, map.sizeBytes - number * Self.bytes))
    }

    /// A window's content, put together of chunks.
    func content(of window: Window, _ cache: ChunkCache) async throws(VolumeError) -> [UInt8] {
        var content = [UInt8](repeating: 0, count: length(of: window.number))
        for extent in window.extents {
            let chunk = try await cache.content(of: map.chunks[Int(extent.chunk)].digest)
            let start = Int(extent.offset - window.number * Self.bytes)
            let (from, length) = (Int(extent.position), Int(extent.length))
            guard from + length <= chunk.count else {
                throw VolumeError(.dataLoss, "a map of the backup does not fit a chunk of it; see nacre backup verify")
            }
            content.replaceSubrange(start..<start + length, with: chunk[from..<from + length])
        }
        return content
    }
}
