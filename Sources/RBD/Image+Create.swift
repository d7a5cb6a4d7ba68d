internal import CRBD
public import RADOS
internal import SystemPackage

/// How a new image is laid out; librbd chooses what is not given.
public struct ImageOptions: Sendable, Hashable {
    /// What it can do.
    public var features: ImageFeatures?
    /// The size of its objects in bytes: a power of two, 4 KiB to 32 MiB.
    public var objectSizeBytes: UInt64?
    /// Bytes of a stripe in one object; divides the object size.
    ///
    /// Goes with `stripeCount`.
    public var stripeUnitBytes: UInt64?
    /// Objects that a stripe spreads over.
    ///
    /// Goes with `stripeUnitBytes`.
    public var stripeCount: UInt64?
    /// The pool for its data, when that is another than the header's.
    public var dataPool: String?

    /// Leaves everything to librbd.
    public init() {}

    /// The same for a new image that takes over from another what is not given.
    ///
    /// With an object size of its own it has no stripes: librbd would take the other's, whose unit may be larger than an object,
    /// which it refuses then.
    var inheritingNoStripes: ImageOptions {
        guard let size = objectSizeBytes, stripeUnitBytes == nil else { return self }
        var options = self
        (options.stripeUnitBytes, options.stripeCount) = (size, 1)
        return options
    }
}

extension IOContext {
    /// Makes an image.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `rbd_create4`. Similar to: rbd create.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - sizeBytes: Its size in bytes.
    ///   - options: Its layout.
    /// - Throws: `RBDError` with `.fileExists` if there is an image of that name, complete or not; `.invalidArgument`
    ///   for a layout that librbd does not take; `.noSuchFileOrDirectory` for a missing data pool.
    public func createImage(_ name: String, sizeBytes: UInt64, options: ImageOptions) throws(RBDError) {
        let subject = "\(label)/\(name)"
        try withRawOptions(options, [], subject) { (raw) throws(RBDError) in
            try check(withRawContext { rbd_create4($0, name, sizeBytes, raw) }, "rbd_create4", subject)
        }
    }

    /// Gives options to librbd, for a call that makes an image of format 2.
    ///
    /// - Parameters:
    ///   - options: What is wanted of the image.
    ///   - numbers: Other options.
    ///   - subject: What the image is called in an error.
    ///   - body: The call; it must not keep the options.
    /// - Throws: `RBDError` for options that librbd does not take, and what `body` throws.
    func withRawOptions(
        _ options: ImageOptions,
        _ numbers: [(option: CInt, value: UInt64)],
        _ subject: String,
        _ body: (UnsafeMutableRawPointer) throws(RBDError) -> Void
    ) throws(RBDError) {
        var raw: rbd_image_options_t?
        rbd_image_options_create(&raw)
        guard let raw else { throw RBDError(call: "rbd_image_options_create", code: .noMemory, subject: subject) }
        defer { rbd_image_options_destroy(raw) }
        var numbers = numbers
        numbers.append((CInt(RBD_IMAGE_OPTION_FORMAT), 2))
        if let features = options.features {
            numbers.append((CInt(RBD_IMAGE_OPTION_FEATURES), features.rawValue))
        }
        if let size = options.objectSizeBytes {
            numbers.append((CInt(RBD_IMAGE_OPTION_ORDER), UInt64(size.trailingZeroBitCount)))
        }
        if let unit = options.stripeUnitBytes, let count = options.stripeCount {
            numbers.append((CInt(RBD_IMAGE_OPTION_STRIPE_UNIT), unit))
            numbers.append((CInt(RBD_IMAGE_OPTION_STRIPE_COUNT), count))
        }
        for (option, value) in numbers {
            try check(rbd_image_options_set_uint64(raw, option, value), "rbd_image_options_set_uint64", subject)
        }
        if let pool = options.dataPool {
            let result = rbd_image_options_set_string(raw, CInt(RBD_IMAGE_OPTION_DATA_POOL), pool)
            try check(result, "rbd_image_options_set_string", subject)
        }
        try body(raw)
    }
}
