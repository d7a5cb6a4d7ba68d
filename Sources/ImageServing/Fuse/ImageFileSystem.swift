internal import CFuse
internal import Glibc
internal import ImageIO
internal import ImageMapping
internal import LinuxKernel
internal import RBD
internal import Synchronization
internal import SystemPackage

/// A FUSE file system of one file, `image`, which is an RBD image.
///
/// Requests are passed to librbd and answered by its completions, so no FUSE thread waits for the cluster. Only
/// requests for the file's attributes may have to wait, after the image was resized: a separate thread answers them.
///
/// Safe to share: mutable state is atomic, the rest is set once.
final class ImageFileSystem: @unchecked Sendable {
    static let longestTransfer = 1 << 20
    static let backgroundRequests = 256
    static let rootNode: fuse_ino_t = 1
    static let imageNode: fuse_ino_t = 2

    let engine: ImageIOEngine
    private let image: Image
    private let isReadOnly: Bool
    private let knownSize: Atomic<UInt64>
    private let attributeQueue: (readEnd: CInt, writeEnd: CInt)

    /// Reads the size once.
    init(image: Image, engine: ImageIOEngine, isReadOnly: Bool) throws(MappingError) {
        self.image = image
        self.engine = engine
        self.isReadOnly = isReadOnly
        do throws(RBDError) {
            knownSize = Atomic(try image.sizeBytes())
        } catch {
            throw MappingError("read the image's size", error)
        }
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw MappingError("serve the image", KernelError("pipe", Errno(rawValue: errno), "attributes"))
        }
        attributeQueue = (ends[0], ends[1])
    }

    /// Answers a request that has ended.
    static func answer(_ request: IORequest) {
        let asked = OpaquePointer(bitPattern: request.owner)
        switch request.kind {
        case _ where request.result < 0: fuse_reply_err(asked, CInt(-request.result))
        case .read:
            fuse_reply_buf(asked, request.buffer.assumingMemoryBound(to: CChar.self), request.result)
        case .write: fuse_reply_write(asked, Int(request.length))
        case .flush, .zero, .discard: fuse_reply_err(asked, 0)
        }
        request.release()
    }

    /// The image's size when it was last read.
    var sizeBytes: UInt64 { knownSize.load(ordering: .relaxed) }

    /// Answers requests for attributes, in order, with the size from the cluster, until `stop`.
    func serveAttributes() {
        var request: UInt = 0
        while read(attributeQueue.readEnd, &request, MemoryLayout<UInt>.size) == MemoryLayout<UInt>.size {
            if let size = try? image.sizeBytes() { knownSize.store(size, ordering: .relaxed) }
            if let request = OpaquePointer(bitPattern: request) {
                var status = attributes(of: Self.imageNode)
                fuse_reply_attr(request, &status, 0)
            }
        }
    }

    /// Ends `serveAttributes`.
    func stop() {
        close(attributeQueue.writeEnd)
    }

    func replyAttributes(_ request: fuse_req_t, _ node: fuse_ino_t) {
        if node == Self.imageNode {
            var word = UInt(bitPattern: request)
            // Writing eight bytes to a pipe is atomic, and blocks only after 8,192 others.
            if write(attributeQueue.writeEnd, &word, MemoryLayout<UInt>.size) == MemoryLayout<UInt>.size { return }
        }
        var status = attributes(of: node)
        fuse_reply_attr(request, &status, 0)
    }

    func attributes(of node: fuse_ino_t) -> stat {
        var status = stat()
        status.st_ino = ino_t(node)
        status.st_nlink = 1
        guard node == Self.imageNode else {
            status.st_mode = S_IFDIR | 0o700
            return status
        }
        status.st_mode = S_IFREG | (isReadOnly ? 0o400 : 0o600)
        status.st_size = off_t(sizeBytes)
        status.st_blksize = 4096
        return status
    }

    func replyRead(_ request: fuse_req_t, offset: off_t, length: Int) {
        let (offset, size) = (UInt64(offset), sizeBytes)
        guard offset < size else {
            fuse_reply_buf(request, nil, 0)
            return
        }
        ask(.read, request, offset: offset, length: min(UInt64(length), size - offset))
    }

    func replyFallocate(_ request: fuse_req_t, mode: CInt, offset: off_t, length: off_t) {
        let size = sizeBytes
        let zeroing = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE
        guard mode & zeroing != 0, !isReadOnly else {
            fuse_reply_err(request, EOPNOTSUPP)
            return
        }
        guard UInt64(offset) < size else {
            fuse_reply_err(request, 0)
            return
        }
        ask(.zero, request, offset: UInt64(offset), length: min(UInt64(length), size - UInt64(offset)))
    }

    func replyWrite(_ request: fuse_req_t, offset: off_t, bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= Self.longestTransfer else {
            fuse_reply_err(request, EINVAL)
            return
        }
        let written = engine.take(
            .write,
            offset: UInt64(offset),
            length: UInt64(bytes.count),
            owner: UInt(bitPattern: request),
            tag: 0
        )
        if let source = bytes.baseAddress { written.buffer.copyMemory(from: source, byteCount: bytes.count) }
        if case .acknowledged = engine.submit(written) { fuse_reply_write(request, bytes.count) }
    }

    func ask(_ kind: IOKind, _ request: fuse_req_t, offset: UInt64, length: UInt64) {
        let asked = engine.take(kind, offset: offset, length: length, owner: UInt(bitPattern: request), tag: 0)
        _ = engine.submit(asked)
    }
}

// From <linux/falloc.h>, which the C library's module does not contain.
private let FALLOC_FL_PUNCH_HOLE: CInt = 2
private let FALLOC_FL_ZERO_RANGE: CInt = 16
