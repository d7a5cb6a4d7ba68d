internal import CFuse
internal import Glibc
internal import ImageIO
internal import RBD

extension ImageFileSystem {
    /// The operations that libfuse calls; all others are answered with ENOSYS.
    static func operations() -> fuse_lowlevel_ops {
        var operations = fuse_lowlevel_ops()
        operations.`init` = { _, connection in
            guard let connection else { return }
            connection.pointee.max_write = UInt32(ImageFileSystem.longestTransfer)
            connection.pointee.max_background = UInt32(ImageFileSystem.backgroundRequests)
            connection.pointee.congestion_threshold = UInt32(ImageFileSystem.backgroundRequests) * 3 / 4
            // With this flag the kernel asks for attributes before every read.
            connection.pointee.want &= ~UInt32(FUSE_CAP_AUTO_INVAL_DATA)
        }
        operations.lookup = { request, parent, name in
            guard let request, let name, parent == ImageFileSystem.rootNode, strcmp(name, "image") == 0 else {
                fuse_reply_err(request, ENOENT)
                return
            }
            lend(request) { system in
                var entry = fuse_entry_param()
                entry.ino = ImageFileSystem.imageNode
                entry.entry_timeout = 3600
                entry.attr = system.attributes(of: ImageFileSystem.imageNode)
                fuse_reply_entry(request, &entry)
            }
        }
        operations.getattr = { request, node, _ in
            guard let request else { return }
            lend(request) { $0.replyAttributes(request, node) }
        }
        operations.setattr = { request, _, _, _, _ in fuse_reply_err(request, EPERM) }
        operations.open = { request, node, file in
            guard node == ImageFileSystem.imageNode else {
                fuse_reply_err(request, EISDIR)
                return
            }
            fuse_reply_open(request, file)
        }
        operations.read = { request, _, length, offset, _ in
            guard let request else { return }
            lend(request) { $0.replyRead(request, offset: offset, length: length) }
        }
        operations.write = { request, _, bytes, length, offset, _ in
            guard let request else { return }
            lend(request) { system in
                system.replyWrite(request, offset: offset, bytes: UnsafeRawBufferPointer(start: bytes, count: length))
            }
        }
        operations.fsync = { request, _, _, _ in
            guard let request else { return }
            lend(request) { $0.ask(.flush, request, offset: 0, length: 0) }
        }
        operations.fallocate = { request, _, mode, offset, length, _ in
            guard let request else { return }
            lend(request) { $0.replyFallocate(request, mode: mode, offset: offset, length: length) }
        }
        operations.statfs = { request, _ in
            var status = statvfs()
            // The loop driver uses it as the granularity of discards; this is librbd's value.
            status.f_bsize = 64 << 10
            status.f_frsize = 64 << 10
            status.f_namemax = 255
            fuse_reply_statfs(request, &status)
        }
        return operations
    }
}

private func lend(_ request: fuse_req_t, _ body: (ImageFileSystem) -> Void) {
    guard let context = cfuse_context(request) else { return }
    Unmanaged<ImageFileSystem>.fromOpaque(context)._withUnsafeGuaranteedRef(body)
}
