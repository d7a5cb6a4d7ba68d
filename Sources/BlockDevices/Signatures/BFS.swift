/// BFS of SCO UnixWare.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let bfs = Format("bfs", .fileSystem, Magic([0xCE, 0xFA, 0xAD, 0x1B], at: 0))
}
