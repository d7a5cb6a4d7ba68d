internal import LinuxKernel

extension KernelError {
    /// Why, without what it was about, which the sentence around it says: `no such file or directory (ENOENT)`.
    var words: String { "\("\(errno)".lowercased()) (\(errnoName))" }
}
