internal import SystemPackage

/// What those who use devices ask of an error.
extension KernelError {
    /// It is in use, as found before a call: EBUSY.
    public static func busy(_ call: String, _ subject: String) -> KernelError {
        KernelError(call, .resourceBusy, subject)
    }

    /// Whether somebody else uses it: EBUSY.
    public var isBusy: Bool { errno == .resourceBusy }
    /// Whether this process lacks the right: EACCES, EPERM.
    public var isNotAllowed: Bool { errno == .permissionDenied || errno == .notPermitted }
    /// Whether the device is not there: ENXIO, ENODEV.
    public var isMissingDevice: Bool { errno == .noSuchAddressOrDevice || errno == .operationNotSupportedByDevice }
    /// Whether it may not be written to: EROFS, EACCES, EPERM.
    public var isWriteRefused: Bool {
        [.readOnlyFileSystem, .permissionDenied, .notPermitted].contains(errno)
    }
}
