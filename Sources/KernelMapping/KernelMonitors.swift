internal import ImageMapping
internal import LinuxKernel

/// The monitors that a mapping is given, all of one protocol, and the `ms_mode` that goes with it.
struct KernelMonitors: Sendable, Hashable {
    /// `10.0.0.1:3300`, those that answer.
    let addresses: [String]
    /// In librados' form, with the protocol in the address: `v2:10.0.0.1:3300`.
    let forLibrados: [String]
    /// `nil` for the old protocol, for which kernels before 5.11 have no option.
    let mode: String?

    /// Asks all monitors of a list for their protocol, and chooses the best that the kernel supports.
    ///
    /// - Parameters:
    ///   - list: As config.json has it.
    ///   - wanted: The class's own `ms_mode`.
    ///   - subject: The operation, for errors: `map image …`.
    ///   - kernel: The kernel's release.
    /// - Throws: `MappingError` of kind `.unavailable` with the answer of each address.
    init(
        asking list: [String],
        mode wanted: String?,
        subject: String,
        kernel: KernelRelease? = .current
    ) throws(MappingError) {
        let addresses = MonitorAddress.parse(list)
        guard !addresses.isEmpty else {
            throw MappingError(
                .invalid,
                "cannot \(subject): the monitors '\(list.joined(separator: ","))' are no addresses; see config.json"
            )
        }
        try self.init(MonitorProbe().ask(addresses), mode: wanted, subject: subject, kernel: kernel)
    }

    /// Takes the best of what they answered.
    init(
        _ answers: [MonitorProbe.Answer],
        mode wanted: String?,
        subject: String,
        kernel: KernelRelease?
    ) throws(MappingError) {
        func speakers(_ wanted: MessengerProtocol) -> [String] {
            var found: [String] = []
            for answer in answers where answer.outcome == .speaks(wanted) {
                let address = answer.address.description
                if !found.contains(address) { found.append(address) }
            }
            return found
        }
        let (v1, v2) = (speakers(.v1), speakers(.v2))
        let knowsV2 = kernel?.hasMessengerV2 ?? true
        guard !v1.isEmpty || !v2.isEmpty else {
            throw MappingError(
                .unavailable,
                "cannot \(subject): no monitor answers: \(answers.map(Self.sentence).joined(separator: ", ")); "
                    + "check the network from this node, and config.json"
            )
        }
        if wanted == "legacy" || (wanted == nil && (v2.isEmpty || (!knowsV2 && !v1.isEmpty))) {
            guard !v1.isEmpty else {
                throw Self.mismatch(subject, "legacy", .v1, "messenger v2 only", answers)
            }
            self.init(addresses: v1, spoken: .v1, mode: wanted)
        } else {
            guard !v2.isEmpty else {
                throw Self.mismatch(subject, wanted ?? "prefer-crc", .v2, "messenger v1 only", answers)
            }
            self.init(addresses: v2, spoken: .v2, mode: wanted ?? "prefer-crc")
        }
    }

    private init(addresses: [String], spoken: MessengerProtocol, mode: String?) {
        self.addresses = addresses
        forLibrados = addresses.map { "\(spoken.rawValue):\($0)" }
        self.mode = mode
    }

    private static func mismatch(
        _ subject: String,
        _ mode: String,
        _ needed: MessengerProtocol,
        _ spoken: String,
        _ answers: [MonitorProbe.Answer]
    ) -> MappingError {
        MappingError(
            .invalid,
            "cannot \(subject): ms_mode=\(mode) needs messenger \(needed.rawValue), and the monitors speak \(spoken) "
                + "(\(answers.map(sentence).joined(separator: ", "))); name their \(needed == .v2 ? "3300" : "6789") port "
                + "in config.json, or leave ms_mode away"
        )
    }

    private static func sentence(_ answer: MonitorProbe.Answer) -> String {
        switch answer.outcome {
        case .speaks(let spoken): "\(answer.address) speaks \(spoken.rawValue)"
        case .failed(let reason): "\(answer.address): \(reason)"
        }
    }
}
