internal import ExactText
internal import Glibc

/// The running kernel's release: `6.1.0-23-amd64`.
public struct KernelRelease: Sendable, Hashable, CustomStringConvertible {
    /// As uname(2) has it.
    public let description: String
    /// The first number.
    public let major: Int
    /// The second number.
    public let minor: Int

    /// Reads a release; `nil` if it does not begin with two numbers.
    public init?(_ text: String) {
        let numbers = text.parts(at: ".", most: 2, omittingEmpty: true).prefix(2).map { $0.prefix(while: \.isNumber) }
        guard numbers.count == 2, let major = Int(numbers[0]), let minor = Int(numbers[1]) else { return nil }
        (description, self.major, self.minor) = (text, major, minor)
    }

    /// This kernel's.
    public static var current: KernelRelease? {
        KernelFile.firstLine("/proc/sys/kernel/osrelease").flatMap(KernelRelease.init)
    }

    /// Whether a FUSE connection can send unanswered requests again: `FUSE_NOTIFY_RESEND`, from 6.9 on.
    public var resendsFuseRequests: Bool { major > 6 || (major == 6 && minor >= 9) }

    /// Whether its Ceph client supports messenger v2: from 5.11, and Red Hat's backport to 4.18.
    public var hasMessengerV2: Bool {
        major > 5 || (major == 5 && minor >= 11) || description.contains(".el8") || description.contains(".el9")
    }
}
