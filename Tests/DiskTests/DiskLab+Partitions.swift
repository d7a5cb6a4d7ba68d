import Glibc
import LinuxKernel
import Testing

/// Partitions of loop devices: this kernel reads no table on them, so it is told.
extension DiskLab {
    /// Tells the kernel of a partition; where it lies in bytes.
    ///
    /// - Returns: Its device.
    func addPartition(_ number: Int = 1, of loop: String, start: UInt64 = 1 << 20, length: UInt64) throws -> String {
        try BlockIOControl(opening: loop).addPartition(number: number, start: start, length: length)
        let path = "\(loop)p\(number)"
        let node = try #require(Sysfs().node("\(loop.dropFirst(5))p\(number)"))
        try DevicePath.makeNode(path, node.device)
        return path
    }

    /// Has the kernel forget all partitions of a loop device that is the caller's, within `seconds` while others look at them.
    ///
    /// A loop device keeps them when it is detached: what is attached to it next would have them, and none may overlap them.
    static func forgetPartitions(of loop: String, within seconds: Int) throws {
        let device = try BlockIOControl(opening: loop)
        for number in Sysfs().partitions(of: String(loop.dropFirst(5))).compactMap(\.partitionNumber) {
            for attempt in 0... {
                do throws(KernelError) {
                    try device.deletePartition(number: number)
                    break
                } catch {
                    guard error.errnoName == "EBUSY", attempt < seconds * 20 else { throw error }
                    usleep(50_000)
                }
            }
        }
    }
}
