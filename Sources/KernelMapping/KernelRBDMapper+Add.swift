internal import ImageMapping
internal import LinuxKernel
internal import Logging
internal import Secrets
internal import SystemPackage

extension KernelRBDMapper {
    /// Makes the kernel map the image, and waits for it for a limited time.
    func add(_ request: MapRequest, _ monitors: KernelMonitors, _ options: KernelMapOptions) throws(MappingError) {
        let log = KernelLog()
        let sharesClient = Self.sharesClient(request.sharing, options)
        if options["share"] != nil, !sharesClient {
            logger.warning(
                "mapOptions has share, which a volume for one node cannot have: to fence it would end its neighbours",
                metadata: ["image": "\(request.image)"]
            )
        }
        guard var error = try write(line(request, monitors, options, sharesClient), request) else { return }
        if sharesClient, error.errno.rawValue == KernelRBDFailure.blocklisted {
            // This node was fenced, and other images still use the fenced client.
            logger.warning(
                "this node's Ceph client in the kernel is blocklisted; mapping with another",
                metadata: ["image": "\(request.image)"]
            )
            guard let second = try write(line(request, monitors, options, false), request) else { return }
            error = second
        }
        throw KernelRBDFailure(request: request, error: error, messages: log?.messages() ?? []).mappingError(bus)
    }

    /// Whether an image may share an existing client of the kernel.
    ///
    /// A client of its own can be fenced without the node's other volumes. So an image that can be fenced shares no
    /// client, whatever its class says.
    static func sharesClient(_ sharing: ImageSharing, _ options: KernelMapOptions) -> Bool {
        sharing != .oneNode && options["noshare"] == nil
    }

    /// The line to write: monitors, options, pool, image, and no snapshot.
    ///
    /// `exclusive` is set only if the class asks for it: with it the kernel also refuses its lock to a client that
    /// resizes the image, so no volume could be expanded in use. `owner` ensures that an image has one node.
    func line(
        _ request: MapRequest,
        _ monitors: KernelMonitors,
        _ options: KernelMapOptions,
        _ sharesClient: Bool
    ) -> String {
        var words = ["name=\(request.credentials.userID)", "key=\(keyName(request.credentials))"]
        if let mode = monitors.mode { words.append("ms_mode=\(mode)") }
        if !request.image.namespace.isEmpty { words.append("_pool_ns=\(request.image.namespace)") }
        if request.sharing.isReadOnly { words.append("ro") }
        // The monitors have just answered.
        if options["mount_timeout"] == nil { words.append("mount_timeout=30") }
        if options["exclusive"] != nil, options["lock_timeout"] == nil {
            // A dead holder's watch lasts 30 s.
            words.append("lock_timeout=45")
        }
        if !crushLocation.isEmpty, options["read_from_replica"] == nil, options["crush_location"] == nil {
            words += ["read_from_replica=localize", "crush_location=\(crushLocation)"]
        }
        if !sharesClient { words.append("noshare") }
        words += options.options.filter { !["ms_mode", "share", "noshare"].contains($0.name) }.map(\.text)
        return "\(monitors.addresses.joined(separator: ",")) \(words.joined(separator: ",")) \(request.image.pool) "
            + "\(request.image.name) -"
    }

    private func keyName(_ credentials: Credentials) -> String { "\(keyPrefix)client.\(credentials.userID)" }

    /// Writes the line with the key in the writing thread's keyring; the kernel copies the key during the write.
    private func write(_ line: String, _ request: MapRequest) throws(MappingError) -> KernelError? {
        let decoded = CephKey.withDecoded(request.credentials.userKey) { $0 }
        guard let key = decoded else {
            throw MappingError(
                .denied,
                "cannot map image \(request.image): the key of client.\(request.credentials.userID) is not base64; "
                    + "check userKey of the Secret"
            )
        }
        let (file, name) = (bus.add, keyName(request.credentials))
        let outcome: KernelWrites.Outcome
        do throws(KernelError) {
            outcome = try writes.run("add \(request.image.clusterID)/\(request.image)", limit: limits.map) {
                () throws(KernelError) in
                try key.withBytes { (bytes) throws(KernelError) in
                    try ThreadKey.with(type: "ceph", description: name, payload: bytes) { () throws(KernelError) in
                        try KernelFile.write(line, to: file)
                    }
                }
            }
        } catch {
            throw MappingError("map image \(request.image)", error)
        }
        switch outcome {
        case .done: return nil
        case .failed(let error): return error
        case .pending(let age):
            throw MappingError(
                .unavailable,
                "cannot map image \(request.image) yet: the kernel has been at it for \(age.components.seconds) s, "
                    + "waiting for an OSD of pool \(request.image.pool); it goes on, and a repeated call waits for it"
            )
        }
    }
}
