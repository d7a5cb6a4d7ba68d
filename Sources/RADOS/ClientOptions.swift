/// The Ceph options of a client that makes and removes images but writes no data.
///
/// Every call has a deadline: without the three time limits, a call to an unreachable cluster blocks for ever.
/// Processes that serve I/O set the operation limits to 0: an outage there must stall, not fail.
public enum ClientOptions {
    /// What `Cluster.connect` sets unless the caller says otherwise.
    public static let defaults: [String: String] = [
        "client_mount_timeout": "15",
        "rados_mon_op_timeout": "30",
        "rados_osd_op_timeout": "60",
        // librados blocks the caller of operation 1,025 by default. The caller may be a thread of Swift's cooperative
        // pool.
        "objecter_inflight_ops": "0",
        // A library must not write to its host's log directory or standard error.
        "log_to_stderr": "false",
        "err_to_stderr": "false",
        "log_file": "",
        "log_to_file": "false",
        "admin_socket": "",
        "keyring": "",
        "auth_client_required": "cephx",
        // One is enough for a client of one cluster, and each has its buffers.
        "ms_async_op_threads": "1",
        // No data is written here; the cache would only cost memory.
        "rbd_cache": "false",
        "rbd_default_clone_format": "2",
    ]
}
