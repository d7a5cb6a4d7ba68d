/// The log of DRBD Proxy.
///
/// See: util-linux libblkid/src/superblocks/drbdproxy_datalog.c.
extension Format {
    static let drbdProxy = Format("drbdproxy_datalog", .fileSystem, Magic("DRBDdlh*", at: 0))
}
