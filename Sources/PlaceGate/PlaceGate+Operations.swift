internal import CFuse
internal import Glibc

extension PlaceGate {
    /// The operations that libfuse calls; all others are answered with ENOSYS.
    static func operations() -> fuse_lowlevel_ops {
        var operations = fuse_lowlevel_ops()
        operations.lookup = { request, parent, name in
            guard let request, let name, parent == PlaceGate.rootNode else {
                fuse_reply_err(request, ENOENT)
                return
            }
            lend(request) { $0.replyEntry(request, String(cString: name)) }
        }
        operations.forget = { request, node, times in
            guard let request else { return }
            lend(request) { $0.forget(node, times) }
            fuse_reply_none(request)
        }
        operations.getattr = { request, node, _ in
            guard let request else { return }
            lend(request) { gate in
                var status = gate.attributes(of: node)
                fuse_reply_attr(request, &status, 0)
            }
        }
        operations.readlink = { request, node in
            guard let request else { return }
            lend(request) { $0.replyTarget(request, node) }
        }
        // Any name is there, so none is listed.
        operations.readdir = { request, _, _, _, _ in fuse_reply_buf(request, nil, 0) }
        operations.statfs = { request, _ in
            var status = statvfs()
            status.f_bsize = 4096
            status.f_frsize = 4096
            status.f_namemax = 255
            fuse_reply_statfs(request, &status)
        }
        return operations
    }
}

private func lend(_ request: fuse_req_t, _ body: (PlaceGate) -> Void) {
    guard let context = cfuse_context(request) else { return }
    Unmanaged<PlaceGate>.fromOpaque(context)._withUnsafeGuaranteedRef(body)
}
