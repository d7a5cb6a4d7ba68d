internal import ImageIO
internal import ImageMapping
internal import RBD

/// The part of a server that talks to the kernel.
protocol ServerFront: AnyObject, Sendable {
    /// What does the requests.
    var engine: ImageIOEngine { get }

    /// Connects to the kernel, or takes the connection over from a dead server.
    ///
    /// Requests are answered when it returns.
    func start(isSuccessor: Bool) throws(MappingError)

    /// Returns when the device is gone.
    func waitUntilGone()

    /// Resizes the device to the image's size and returns it in bytes.
    func grow() throws(MappingError) -> UInt64

    /// Removes the device unless it is in use.
    func endIfUnused()

    /// Removes the device even if it is in use, because no process knows of it.
    func abandon()

    /// Ends everything that still uses the image after the device is gone.
    func stop()
}

extension ServerFrontKind {
    /// How many requests a front can have at once, and their largest size.
    struct Limits {
        let requests: Int
        let longestTransfer: Int

        var memoryBytes: UInt64 {
            SharedRequestMemory.fileBytes(count: requests, longestTransfer: longestTransfer)
        }
    }

    /// Many times what the kernel can have under way, because most may be acknowledged writes; unused ones take no
    /// memory.
    ///
    /// For FUSE the limit is set here as `max_background`; nbd has 128 for each connection, of up to `max_sectors_kb`,
    /// 4 MiB in the newest kernels.
    var limits: Limits {
        switch self {
        case .fuse: Limits(requests: 11 << 10, longestTransfer: 1 << 20)
        case .nbd(let connections): Limits(requests: max(11 << 10, 256 * connections), longestTransfer: 4 << 20)
        }
    }
}
