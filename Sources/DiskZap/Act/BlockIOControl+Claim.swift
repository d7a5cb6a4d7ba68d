internal import LinuxKernel

extension BlockIOControl {
    /// Opens a device exclusively, after those who claim it only to see whether they can were waited for.
    ///
    /// The inventory of ceph-volume does so with every device.
    ///
    /// - Parameters:
    ///   - path: The device.
    ///   - flags: Those of open(2), with O_EXCL.
    /// - Returns: The claim; it lasts as long as this is open.
    /// - Throws: EBUSY where somebody holds the device for longer than ``Writers/patience``.
    static func claiming(_ path: String, _ flags: CInt) throws(KernelError) -> BlockIOControl {
        let end = ContinuousClock.now + Writers.patience
        while true {
            do throws(KernelError) {
                return try BlockIOControl(opening: path, flags: flags)
            } catch {
                guard error.isBusy, .now < end else { throw error }
            }
            Threads.pause(.milliseconds(100))
        }
    }
}
