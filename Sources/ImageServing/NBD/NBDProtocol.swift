/// The messages between the kernel's nbd driver and a server.
///
/// A request, all numbers big-endian:
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | magic, 0x25609513 |
/// | 4 | 2 | flags: 1 FUA, 2 no hole |
/// | 6 | 2 | command |
/// | 8 | 8 | handle, given back as it came |
/// | 16 | 8 | offset |
/// | 24 | 4 | length; that many bytes follow a write |
///
/// A reply:
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | magic, 0x67446698 |
/// | 4 | 4 | errno |
/// | 8 | 8 | handle |
/// | 16 | | the bytes of a read that did not fail |
///
/// See: <linux/nbd.h>; the NBD protocol's "Transmission" with simple replies.
enum NBDProtocol {
    static let requestBytes = 28
    static let replyBytes = 16

    /// The server's features for the kernel: flags, flush, FUA, trim, write-zeroes (from 6.10), several connections.
    static let serverFlags: UInt64 = 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 8
    /// The device refuses writes.
    static let readOnlyFlag: UInt64 = 1 << 1

    enum Command: UInt16 {
        case read = 0
        case write = 1
        case disconnect = 2
        case flush = 3
        case trim = 4
        case writeZeroes = 6
    }

    struct Request {
        let command: Command?
        let isDurable: Bool
        /// In the byte order in which it was received, to be returned unchanged.
        let handle: UInt64
        let offset: UInt64
        let length: UInt32

        /// Reads a request; `nil` if it does not begin with the magic number.
        init?(_ bytes: UnsafeRawPointer) {
            guard UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)) == 0x2560_9513 else { return nil }
            isDurable = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt16.self)) & 1 != 0
            command = Command(rawValue: UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 6, as: UInt16.self)))
            handle = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            offset = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
            length = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt32.self))
        }
    }

    /// Writes a reply's header.
    static func putReply(_ place: UnsafeMutableRawPointer, handle: UInt64, errno: UInt32) {
        place.storeBytes(of: UInt32(0x6744_6698).bigEndian, as: UInt32.self)
        place.storeBytes(of: errno.bigEndian, toByteOffset: 4, as: UInt32.self)
        place.storeBytes(of: handle, toByteOffset: 8, as: UInt64.self)
    }
}
