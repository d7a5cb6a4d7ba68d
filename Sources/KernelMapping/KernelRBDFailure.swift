internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import RBD
internal import Secrets
internal import SystemPackage

/// A mapping that the kernel refused: an errno, and its log messages.
struct KernelRBDFailure {
    /// ESHUTDOWN, which the kernel returns if the cluster has blocklisted its client.
    static let blocklisted: CInt = 108

    let request: MapRequest
    let error: KernelError
    let messages: [String]

    /// What the kernel logged about this image or its client, as part of a sentence.
    private var words: String {
        let ours = messages.filter { message in
            message.startsExactly(with: "libceph:")
                || (message.startsExactly(with: "rbd") && message.contains(request.image.name))
                || message.startsExactly(with: "rbd: ")
        }
        guard !ours.isEmpty else { return "" }
        return "; the kernel said: \(ours.suffix(3).joined(separator: "; "))"
    }

    /// The features that the kernel named: `image uses unsupported features: 0x40`.
    private var unsupported: ImageFeatures? {
        for message in messages {
            guard let range = message.range(ofText: "unsupported features: 0x") else { continue }
            let digits = message[range...].prefix { $0.isHexDigit }
            if let bits = UInt64(digits, radix: 16) { return ImageFeatures(rawValue: bits) }
        }
        return nil
    }

    func mappingError(_ bus: KernelRBDBus) -> MappingError {
        let (image, user) = (request.image, request.credentials.userID)
        let what = "cannot map image \(image) by krbd"
        let why = "(\(error.errnoName)\(words))"
        switch error.errno {
        case .noSuchAddressOrDevice: return unsupportedFeatures(what, bus)
        case .noSuchFileOrDirectory:
            return MappingError(.notFound, "\(what): there is no such image, or no such pool or namespace \(why)")
        case .permissionDenied, .notPermitted:
            return MappingError(
                .denied,
                "\(what): the cluster refuses client.\(user) \(why); check userID and userKey of the Secret, and that the "
                    + "user has the caps mon 'profile rbd' and osd 'profile rbd pool=\(image.pool)'"
            )
        case .timedOut where request.sharing == .oneNode:
            return MappingError(.inUse, "\(what): another client holds its lock and does not let go \(why)")
        case .timedOut: return MappingError(.unavailable, "\(what): the cluster does not answer \(why)")
        case .readOnlyFileSystem, .resourceBusy:
            return MappingError(.inUse, "\(what): another client holds its lock and does not let go \(why)")
        case .invalidArgument:
            return MappingError(
                .invalid,
                "\(what): the kernel does not take its options \(why); see mapOptions of its class"
            )
        case _ where error.errno.rawValue == Self.blocklisted:
            return MappingError(.denied, "\(what): the cluster has blocklisted this node's client \(why)")
        case _ where error.call == "add_key":
            return MappingError(
                .host,
                "\(what): its key cannot be put into the kernel's keyring \(why); the service must be allowed to call add_key"
            )
        default: return MappingError(.host, "\(what): '\(error.subject)' \(why)")
        }
    }

    private func unsupportedFeatures(_ what: String, _ bus: KernelRBDBus) -> MappingError {
        let supported = bus.supportedFeatures.map { "; it has \($0.names.joined(separator: ", "))" } ?? ""
        if unsupported?.contains(.nonPrimary) == true {
            return MappingError.copyOfMirror("map image \(request.image) by krbd", request.image)
        }
        let names = unsupported?.names ?? []
        let which =
            names.isEmpty
            ? "a feature that this kernel lacks\(words)" : "\(names.joined(separator: ", ")), which this kernel lacks"
        return MappingError(
            .unsupported,
            "\(what): the image has \(which)\(supported); disable it (rbd feature disable \("\(request.image)".shellWord) "
                + "\(names.isEmpty ? "FEATURE" : names.joined(separator: " "))), leave it out of the class's imageFeatures, "
                + "or use mounter: nbd"
        )
    }
}

extension String {
    /// The index after the first occurrence of `text`.
    fileprivate func range(ofText text: String) -> String.Index? {
        ranges(of: text).first?.upperBound
    }
}
