import Foundation
import Glibc
import LinuxKernel
import Logging
import Testing

@testable import NodeMapping

@Suite("The server of a mapping")
struct MappedServerTests {
    @Test("A directory in which a server has just started is removed when that has ended")
    func removedLate() throws {
        let directory = MappingDirectory(path: "/tmp/nacre-removed-late-\(getpid())")
        try FileManager.default.createDirectory(atPath: directory.mountPoint, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory.path) }
        try KernelFile.replace(directory.record, with: [])
        // What one that starts writes behind the back of who removes, who knows nothing of this name.
        let late = "\(directory.path)/starting"
        try KernelFile.replace(late, with: [])
        Thread.detachNewThread {
            usleep(300_000)
            unlink(late)
        }
        try MappedServer(directory: directory, logger: Logger(label: "test")).removeDirectory()
        #expect(!FileManager.default.fileExists(atPath: directory.path))
    }
}
