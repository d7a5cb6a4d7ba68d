import Foundation
import Glibc
import LinuxKernel
import Logging
import Testing

@testable import ImageMapping
@testable import ImageOwnership
@testable import ImageServing
@testable import KernelMapping
@testable import NodeMapping

@Suite("The server of a mapping")
struct MappedServerTests {
    @Test("A directory into which something was written meanwhile is removed once that is gone")
    func removedLate() throws {
        let directory = MappingDirectory(path: "/tmp/nacre-removed-late-\(getpid())")
        try FileManager.default.createDirectory(atPath: directory.mountPoint, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory.path) }
        try KernelFile.replace(directory.record, with: [])
        // For what a server that starts writes behind the back of who removes: a name that the latter does not know.
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
