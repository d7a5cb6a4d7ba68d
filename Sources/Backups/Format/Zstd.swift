internal import CZstd

/// Zstandard, in one piece.
///
/// See: RFC 8878.
enum Zstd {
    /// The fastest of its own levels: a backup is to be read faster than one program compresses it.
    private static let level: CInt = 1

    /// The frame of these bytes; `nil` if it would not be shorter.
    ///
    /// Implements `ZSTD_compress`.
    static func compressed(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count > 1 else { return nil }
        var isShorter = true
        // Where there is no room for all of it, it is not worth it.
        let frame = [UInt8](unsafeUninitializedCapacity: bytes.count - 1) { room, count in
            let size = bytes.withUnsafeBytes {
                ZSTD_compress(room.baseAddress, room.count, $0.baseAddress, $0.count, level)
            }
            isShorter = ZSTD_isError(size) == 0
            count = isShorter ? size : 0
        }
        return isShorter ? frame : nil
    }

    /// What a frame holds; `nil` if it is damaged, or of another length.
    ///
    /// Implements `ZSTD_decompress`.
    static func decompressed(_ frame: ArraySlice<UInt8>, count wanted: Int) -> [UInt8]? {
        var isWhole = true
        let bytes = [UInt8](unsafeUninitializedCapacity: max(1, wanted)) { room, count in
            let size = frame.withUnsafeBytes { ZSTD_decompress(room.baseAddress, wanted, $0.baseAddress, $0.count) }
            isWhole = ZSTD_isError(size) == 0 && size == wanted
            count = isWhole ? size : 0
        }
        return isWhole ? bytes : nil
    }
}
