internal import ExactText

internal import ImageMapping

/// A class's options for one mapper, in ceph-csi's syntax: `krbd:queue_depth=64,alloc_size=65536;nbd:try-netlink`.
///
/// A part without a mapper's name is for krbd. Unknown options are refused: the kernel only answers "invalid argument"
/// for the whole mapping, and a class must not set credentials or snapshots.
struct KernelMapOptions: Sendable, Hashable {
    /// In their order; a flag has no value.
    struct Option: Sendable, Hashable {
        let name: String
        let value: String?
        var text: String { value.map { "\(name)=\($0)" } ?? name }
    }

    private(set) var options: [Option] = []

    /// No options.
    init() {}

    /// Reads a class's `mapOptions`.
    init(mapOptions: String) throws(MappingError) {
        for option in try Self.parts(of: mapOptions, for: "mapOptions") {
            guard !["udev", "noudev"].contains(option.name) else { continue }
            guard let check = Self.known[option.name] else {
                throw Self.refusal(
                    option,
                    "mapOptions",
                    "the kernel's rbd has no such option, or it is not a class's to set"
                )
            }
            if let reason = check.refusal(of: option.value) { throw Self.refusal(option, "mapOptions", reason) }
            options.append(option)
        }
    }

    /// Reads a class's `unmapOptions`: whether a device is unmapped although it is open, so that its I/O fails.
    static func isForced(unmapOptions: String) throws(MappingError) -> Bool {
        var isForced = false
        for option in try parts(of: unmapOptions, for: "unmapOptions") where !["udev", "noudev"].contains(option.name) {
            guard option.name == "force", option.value == nil else {
                throw refusal(option, "unmapOptions", "the kernel's rbd knows only force")
            }
            isForced = true
        }
        return isForced
    }

    /// The value of an option, the empty string for a flag; `nil` if it is not set.
    subscript(name: String) -> String? {
        guard let option = options.last(where: { $0.name == name }) else { return nil }
        return option.value ?? ""
    }

    private static func parts(of text: String, for name: String) throws(MappingError) -> [Option] {
        var options: [Option] = []
        for part in text.parts(at: ";", omittingEmpty: true) {
            var words = part.drop { $0 == " " }
            if let colon = words.firstIndex(of: ":"), !words[..<colon].contains("=") {
                let mapper = words[..<colon]
                guard ["krbd", "nbd", "fuse"].contains(mapper) else {
                    throw MappingError(.invalid, "\(name) are for an unknown mapper '\(mapper)'; use krbd: or nbd:")
                }
                guard mapper == "krbd" else { continue }
                words = words[words.index(after: colon)...]
            }
            for word in words.parts(at: ",", omittingEmpty: true) {
                let sides = word.parts(at: "=", most: 1)
                let name = sides[0].filter { $0 != " " }
                options.append(Option(name: name, value: sides.count == 2 ? String(sides[1]) : nil))
            }
        }
        return options
    }

    private static func refusal(_ option: Option, _ name: String, _ reason: String) -> MappingError {
        // A value may be a secret that was put here by mistake.
        MappingError(.invalid, "\(name) has option '\(option.name.prefix(40))': \(reason)")
    }
}

extension KernelMapOptions {
    /// What an option's value must be.
    enum Check: Sendable {
        case flag
        case number(ClosedRange<UInt64>)
        case oneOf([String])
        /// Letters, digits and the separators in addresses and locations.
        case words

        func refusal(of value: String?) -> String? {
            switch (self, value) {
            case (.flag, nil): return nil
            case (.flag, _): return "it takes no value"
            case (_, nil): return "it wants a value"
            case (.number(let range), let value?):
                guard let number = UInt64(value), range.contains(number) else {
                    return "its value must be a number from \(range.lowerBound) to \(range.upperBound)"
                }
                return nil
            case (.oneOf(let values), let value?):
                return values.contains(value) ? nil : "its value must be one of \(values.joined(separator: ", "))"
            case (.words, let value?):
                let isPlain = value.utf8.allSatisfy { byte in
                    byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: ",") && byte != UInt8(ascii: "=")
                }
                return isPlain && !value.isEmpty ? nil : "its value must be plain words"
            }
        }
    }

    /// What a class may set.
    ///
    /// See: rbd(8), "Kernel rbd (krbd) options". Ours are `name`, `secret`, `key`, `_pool_ns`, and `ro`, which follows
    /// from the access mode.
    static let known: [String: Check] = [
        "fsid": .words, "ip": .words, "share": .flag, "noshare": .flag, "crc": .flag, "nocrc": .flag,
        "cephx_require_signatures": .flag, "nocephx_require_signatures": .flag, "cephx_sign_messages": .flag,
        "nocephx_sign_messages": .flag, "tcp_nodelay": .flag, "notcp_nodelay": .flag, "abort_on_full": .flag,
        "mount_timeout": .number(1...3600), "osdkeepalive": .number(1...3600), "osd_idle_ttl": .number(1...86_400),
        "osd_request_timeout": .number(0...86_400),
        "ms_mode": .oneOf(["legacy", "crc", "secure", "prefer-crc", "prefer-secure"]),
        "read_from_replica": .oneOf(["no", "balance", "localize"]), "crush_location": .words,
        "exclusive": .flag,
        "lock_on_read": .flag, "lock_timeout": .number(0...86_400), "notrim": .flag, "rxbounce": .flag,
        "queue_depth": .number(1...65_536), "alloc_size": .number(512...(4 << 20)),
        "compression_hint": .oneOf(["none", "compressible", "incompressible"]),
    ]
}
