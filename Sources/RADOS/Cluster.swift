internal import CRados
public import Secrets
internal import SystemPackage

/// A connection to one Ceph cluster as one user.
///
/// The last reference closes the connection. An `IOContext` keeps its cluster alive, so `rados_shutdown` always comes
/// last. All calls block; they belong on a `BlockingPool`.
public final class Cluster: Sendable {
    /// Safe to share: librados takes its own locks on a connected handle, and the pointer never changes.
    private struct Handle: @unchecked Sendable {
        let raw: rados_t
    }

    private let handle: Handle

    /// Where and who: `client.csi-rbd-provisioner at 10.0.0.1:3300,10.0.0.2:3300`.
    public let label: String

    private init(handle: Handle, label: String) {
        self.handle = handle
        self.label = label
    }

    deinit {
        rados_shutdown(handle.raw)
    }

    /// Connects, within `client_mount_timeout`.
    ///
    /// Implements `rados_create2`, `rados_conf_set` and `rados_connect`. Reads no ceph.conf and no keyring.
    ///
    /// - Parameters:
    ///   - monitors: Addresses as in ceph-csi's config.json: `10.0.0.1:6789`, `v2:10.0.0.1:3300`; at least one.
    ///   - credentials: The user and its key.
    ///   - options: Ceph options by name; they win over the defaults of `ClientOptions`.
    /// - Returns: The connection.
    /// - Throws: `RADOSError` with `.permissionDenied` for a wrong key, `.timedOut` when no monitor answers.
    public static func connect(
        monitors: [String],
        credentials: Credentials,
        options: [String: String] = [:]
    ) throws(RADOSError) -> Cluster {
        let label = "\(credentials.entityName) at \(monitors.joined(separator: ","))"
        var raw: rados_t?
        try check(rados_create2(&raw, "ceph", credentials.entityName, 0), "rados_create2", label)
        guard let raw else { throw RADOSError(call: "rados_create2", code: .noMemory, subject: label) }
        // From here on `deinit` releases the handle, also if a step below throws.
        let cluster = Cluster(handle: Handle(raw: raw), label: label)
        for (name, value) in ClientOptions.defaults.merging(options, uniquingKeysWith: { $1 }) {
            try check(rados_conf_set(raw, name, value), "rados_conf_set", "\(name) = \(value)")
        }
        let hosts = monitors.joined(separator: ",")
        try check(rados_conf_set(raw, "mon_host", hosts), "rados_conf_set", "mon_host = \(hosts)")
        let keySet = credentials.userKey.withCString { rados_conf_set(raw, "key", $0) }
        try check(keySet, "rados_conf_set", "key of \(credentials.entityName)")
        try check(rados_connect(raw), "rados_connect", label)
        // Waits for the first OSD map, so that no later call has to.
        try check(rados_pool_list(raw, nil, 0), "rados_pool_list", label)
        return cluster
    }

    /// The cluster's fsid, a UUID.
    ///
    /// Implements `rados_cluster_fsid`.
    public func fsid() throws(RADOSError) -> String {
        var buffer = [CChar](repeating: 0, count: 64)
        let length = try check(rados_cluster_fsid(handle.raw, &buffer, buffer.count), "rados_cluster_fsid", label)
        return String(decoding: buffer.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// This client's number, the N of `client.N`: it tells our watches from those of other clients.
    ///
    /// Implements `rados_get_instance_id`.
    public var instanceID: UInt64 { rados_get_instance_id(handle.raw) }

    /// The addresses by which the cluster knows us, as they stand in blocklists and watches.
    ///
    /// Implements `rados_getaddrs`.
    public func addresses() throws(RADOSError) -> String {
        var text: UnsafeMutablePointer<CChar>?
        try check(rados_getaddrs(handle.raw, &text), "rados_getaddrs", label)
        guard let text else { return "" }
        defer { rados_buffer_free(text) }
        return String(cString: text)
    }

    /// The names of all pools.
    ///
    /// Implements `rados_pool_list`.
    public func poolNames() throws(RADOSError) -> [String] {
        var size = 4096
        while true {
            var buffer = [CChar](repeating: 0, count: size)
            let needed = Int(try check(rados_pool_list(handle.raw, &buffer, size), "rados_pool_list", label))
            guard needed > size else {
                return buffer.prefix(needed).split(separator: 0).map { name in
                    String(decoding: name.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                }
            }
            size = needed
        }
    }

    /// Whether this client's OSD map has the pool; if so, `ioContext` asks no monitor and does not block.
    ///
    /// Implements `rados_pool_list`, which reads that map.
    public func knows(pool: String) -> Bool {
        (try? poolNames().contains(pool)) ?? false
    }

    /// Fetches the latest OSD map, so that pools that were created or removed a moment ago are known.
    ///
    /// Implements `rados_wait_for_latest_osdmap`.
    public func refreshMap() throws(RADOSError) {
        try check(rados_wait_for_latest_osdmap(handle.raw), "rados_wait_for_latest_osdmap", label)
    }

    /// The release that every OSD must have at least, by its number: 16 is Pacific, 18 Reef, 20 Tentacle.
    ///
    /// Implements `rados_get_min_compatible_osd`, which reads the map that `connect` waits for.
    ///
    /// - Returns: The number; `nil` if the map does not say.
    public var requiredOSDRelease: Int? {
        var release: Int8 = 0
        guard rados_get_min_compatible_osd(handle.raw, &release) == 0, release > 0 else { return nil }
        return Int(release)
    }

    /// The value of a Ceph option for this client, including the monitors' central configuration.
    ///
    /// Implements `rados_conf_get`. Similar to: ceph config get.
    ///
    /// - Parameter name: The option's name.
    /// - Returns: Its value; `nil` if this Ceph has no such option.
    public func option(_ name: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 512)
        guard rados_conf_get(handle.raw, name, &buffer, buffer.count) == 0 else { return nil }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Sends a JSON command to the monitors and returns its output.
    ///
    /// Implements `rados_mon_command`. Similar to: ceph COMMAND.
    ///
    /// - Parameter command: Such as `{"prefix":"df","format":"json"}`.
    /// - Returns: The command's output, JSON when it was asked for.
    /// - Throws: `RADOSError`; its subject has the monitors' own words.
    public func monitorCommand(_ command: String) throws(RADOSError) -> [UInt8] {
        var output: UnsafeMutablePointer<CChar>?
        var outputLength = 0
        var status: UnsafeMutablePointer<CChar>?
        var statusLength = 0
        let result = command.withCString { text in
            var arguments: UnsafePointer<CChar>? = text
            return withUnsafeMutablePointer(to: &arguments) { arguments in
                rados_mon_command(
                    handle.raw,
                    arguments,
                    1,
                    nil,
                    0,
                    &output,
                    &outputLength,
                    &status,
                    &statusLength
                )
            }
        }
        defer {
            if let output { rados_buffer_free(output) }
            if let status { rados_buffer_free(status) }
        }
        try check(result, "rados_mon_command", Self.words(status, statusLength, or: command))
        return Self.bytes(output, outputLength)
    }

    /// Opens a pool, at its default RADOS namespace or another.
    ///
    /// Implements `rados_ioctx_create`, `rados_ioctx_set_namespace` and `rados_set_pool_full_try`.
    ///
    /// - Parameters:
    ///   - pool: The pool's name.
    ///   - namespace: Empty for the default namespace.
    ///   - failsWhenFull: Whether a write to a full pool answers `ENOSPC` or `EDQUOT`, and what frees space is let
    ///     through; otherwise writes wait until there is room, which is what a mounted file system needs.
    /// - Returns: The context, which keeps this cluster connected.
    /// - Throws: `RADOSError` with `.noSuchFileOrDirectory` when there is no such pool.
    public func ioContext(
        pool: String,
        namespace: String,
        failsWhenFull: Bool = false
    ) throws(RADOSError) -> IOContext {
        var raw: rados_ioctx_t?
        try check(rados_ioctx_create(handle.raw, pool, &raw), "rados_ioctx_create", pool)
        guard let raw else { throw RADOSError(call: "rados_ioctx_create", code: .noMemory, subject: pool) }
        if !namespace.isEmpty { rados_ioctx_set_namespace(raw, namespace) }
        if failsWhenFull { rados_set_pool_full_try(raw) }
        return IOContext(adopting: raw, cluster: self, pool: pool, namespace: namespace)
    }

    /// Gives the raw handle to the other files of this module.
    func withRawCluster<R>(_ body: (UnsafeMutableRawPointer) -> R) -> R { body(handle.raw) }

    private static func words(_ text: UnsafeMutablePointer<CChar>?, _ length: Int, or other: String) -> String {
        length == 0 ? other : String(decoding: bytes(text, length), as: UTF8.self)
    }

    private static func bytes(_ text: UnsafeMutablePointer<CChar>?, _ length: Int) -> [UInt8] {
        guard let text, length > 0 else { return [] }
        return Array(UnsafeRawBufferPointer(start: text, count: length))
    }
}

extension Cluster {
    /// The name of a pool by its number.
    ///
    /// Implements `rados_pool_reverse_lookup`.
    public func poolName(id: Int64) throws(RADOSError) -> String {
        var buffer = [CChar](repeating: 0, count: 512)
        let length = try check(
            rados_pool_reverse_lookup(handle.raw, id, &buffer, buffer.count),
            "rados_pool_reverse_lookup",
            "pool \(id)"
        )
        return String(decoding: buffer.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
