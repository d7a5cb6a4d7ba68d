internal import ExactText
public import LinuxKernel
package import RADOS
package import RBD
package import Secrets
internal import SystemPackage

/// Why an image could not be mapped, grown or unmapped.
public struct MappingError: Error, Sendable, Codable, CustomStringConvertible {
    /// What a caller can do about it.
    public enum Kind: String, Sendable, Codable {
        /// There is no such image or pool.
        case notFound
        /// It was taken from this node, which was thought dead.
        case fenced
        /// Its name is another image's by now, or nobody's.
        case replaced
        /// Another client has it, or something here still uses the device.
        case inUse
        /// The user or key is not good enough.
        case denied
        /// The cluster does not answer.
        case unavailable
        /// What was asked for is wrong in itself.
        case invalid
        /// This mapper cannot do it, another one may.
        case unsupported
        /// The host does not allow what is needed.
        case host
        /// Anything else.
        case other
    }

    /// What a caller can do about it.
    public let kind: Kind
    /// One sentence for a person.
    public let message: String
    /// Whether Ceph has blocklisted the client that asked.
    package var isBlocklisted: Bool { blocklisted ?? false }
    // Optional, as servers of an earlier version do not say it.
    private var blocklisted: Bool?

    /// Whether the client that has the image watches it and does not answer: it is dead, frozen or cut off, and its watch
    /// runs out within 30 s.
    package var holderIsSilent: Bool { silentHolder ?? false }
    private var silentHolder: Bool?

    /// The node that has the image; nothing where no node has made a note, or where that is not why.
    package private(set) var holder: String?

    private enum CodingKeys: CodingKey {
        case kind, message, silentHolder, blocklisted, holder
    }

    /// Makes an error with its sentence.
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// The same, of an image that a node has.
    package func of(holder: String) -> Self {
        var error = self
        error.holder = holder
        return error
    }

    /// The same, of an image whose holder does not answer.
    package func withSilentHolder() -> Self {
        var error = self
        error.silentHolder = true
        return error
    }

    /// Says that `what` failed for a reason of the kernel's.
    public init(_ what: String, _ error: KernelError) {
        let holders = DeviceHolders().words(for: error).map { ": \($0); end that first" } ?? ""
        self.init(error.errno == .resourceBusy ? .inUse : .host, "cannot \(what): \(error)\(holders)")
    }

    package init(_ what: String, _ error: RADOSError) {
        guard error.code != .socketShutdown else {
            self.init(.unavailable, "cannot \(what): Ceph has blocklisted this client \(error); retry")
            blocklisted = true
            return
        }
        let (kind, cause): (Kind, String) =
            switch error.code {
            case .noSuchFileOrDirectory where error.call.startsExactly(with: "rados_ioctx_create"):
                (.notFound, "there is no such pool")
            case .noSuchFileOrDirectory: (.notFound, "there is none")
            case .permissionDenied, .notPermitted:
                (
                    .denied,
                    "Ceph refuses it \(Self.deniedUser), whose caps must be mon 'profile rbd' and \(Self.anyCaps)"
                )
            case .timedOut: (.unavailable, "the cluster did not answer in time, see 'ceph health detail'")
            case .noSpace, .diskQuotaExceeded: (.other, "its pool is full or at its quota, see 'ceph df'")
            case .readOnlyFileSystem:
                (
                    .inUse,
                    "another client holds its exclusive lock, or it is a copy that rbd-mirror keeps, see 'rbd info'"
                )
            case .noFunction: (.unsupported, "it has features that this Ceph client does not know, see 'rbd info'")
            default: (.other, "")
            }
        guard !cause.isEmpty else {
            self.init(kind, "cannot \(what): \(error)")
            return
        }
        // The subject stands behind the call: behind a cause that ends in a quotation it would seem to be a part of it.
        self.init(kind, "cannot \(what): \(cause) (\(error.call) of '\(error.subject)': \(error.code.name))")
    }

    /// Says that a connection as a user failed, where the user's key may be the reason.
    package init(_ what: String, _ error: RADOSError, as credentials: Credentials) {
        if let refusal = error.refusal(of: credentials) {
            let keyType = RADOSError.refusal(ofKeyTypeOf: credentials).map { "; \($0)" } ?? ""
            self.init(
                .denied,
                "cannot \(what): cannot connect as \(error.subject): \(refusal.cause) (\(error.call): \(error.code.name)); "
                    + "\(refusal.remedy)\(keyType)"
            )
            return
        }
        guard let fault = error.fault(inKeyOf: credentials) else {
            let plain = Self(what, error)
            let isRefusal = [.permissionDenied, .notPermitted, .timedOut].contains(error.code)
            let refusal = isRefusal ? RADOSError.refusal(ofKeyTypeOf: credentials) : nil
            self = refusal.map { Self(plain.kind, "\(plain.message); \($0)") } ?? plain
            return
        }
        self.init(.denied, "cannot \(what) as \(credentials.entityName): \(fault) \(error)")
    }

    package init(_ what: String, _ error: RBDError) {
        self.init(what, RADOSError(call: error.call, code: error.code, subject: error.subject))
    }

    /// The sentence.
    public var description: String { message }
}

extension MappingError {
    /// Who is refused, where only the call's end is known.
    package static let deniedUser = "to this user"
    private static let anyCaps = "osd 'profile rbd'"

    /// The caps of an OSD that a pool's images need.
    package static func caps(_ pool: String, _ namespace: String) -> String {
        "profile rbd pool=\(pool)\(namespace.isEmpty ? "" : " namespace=\(namespace)")"
    }

    /// The same of a request, with the names of its user, pool and namespace.
    package func naming(_ request: MapRequest) -> MappingError {
        guard kind == .denied else { return self }
        var named = MappingError(
            kind,
            message.replacing(Self.deniedUser, with: "to \(request.credentials.entityName)")
                .replacing(Self.anyCaps, with: "osd '\(Self.caps(request.image.pool, request.image.namespace))'")
        )
        (named.silentHolder, named.blocklisted, named.holder) = (silentHolder, blocklisted, holder)
        return named
    }

    /// Says that there is a part of an image only: its name, which leads to no header.
    package static func headless(_ image: ImageAddress) -> MappingError {
        MappingError(
            .notFound,
            "image \(image) was never finished, or a part of it is lost (it has an id but no header)"
        )
    }

    /// Says that an image cannot be written because it is a copy that rbd-mirror keeps.
    ///
    /// - Parameters:
    ///   - what: What failed: `lock image pool/name`.
    ///   - image: The image.
    /// - Returns: The error, with what to do.
    package static func copyOfMirror(_ what: String, _ image: ImageAddress) -> MappingError {
        MappingError(
            .inUse,
            "cannot \(what): it is a copy that rbd-mirror keeps, not the primary image; work on the primary, or promote "
                + "this one: rbd mirror image promote \("\(image)".shellWord)"
        )
    }
}
