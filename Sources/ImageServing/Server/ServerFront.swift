internal import ImageIO
internal import ImageMapping
internal import RBD

/// The side of a server that speaks to the kernel.
protocol ServerFront: AnyObject, Sendable {
    /// What does the requests.
    var engine: ImageIOEngine { get }

    /// Opens the door to the kernel, or takes it over from a server that has died.
    ///
    /// Requests are answered when it returns.
    func start(isSuccessor: Bool) throws(MappingError)

    /// Returns when the device is gone.
    func waitUntilGone()

    /// Takes the image's size over to the device, and returns it in bytes.
    func grow() throws(MappingError) -> UInt64

    /// Takes the device away unless somebody uses it.
    func endIfUnused()

    /// Takes the device away, whoever uses it: nobody knows of it.
    func abandon()

    /// Ends what still uses the image when the device is gone.
    func stop()
}

extension ServerFrontKind {
    /// How many requests a front has at once, and how large they get.
    struct Limits {
        let requests: Int
        let longestTransfer: Int

        var memoryBytes: UInt64 {
            SharedRequestMemory.fileBytes(count: requests, longestTransfer: longestTransfer)
        }
    }

    /// Many times what the kernel can have under way, since most of them may be writes that it need not wait for; those
    /// that are never used take no memory.
    ///
    /// FUSE's limit is ours, `max_background`; nbd has 128 a connection, of as many bytes as `max_sectors_kb` says, 4 MiB
    /// in the newest kernels.
    var limits: Limits {
        switch self {
        case .fuse: Limits(requests: 11 << 10, longestTransfer: 1 << 20)
        case .nbd(let connections): Limits(requests: max(11 << 10, 256 * connections), longestTransfer: 4 << 20)
        }
    }
}
