import LinuxKernel
import NodeMapping
import Testing

@Suite("What the program needs of its host")
struct LinkedLibraryTests {
    @Test("libfuse is a part of the program: releases of Debian have one of two names of it, so none is looked for")
    func fuse() throws {
        let maps = try KernelFile.text("/proc/self/maps")
        #expect(maps.contains("librados.so") || maps.contains("librbd.so"), "the list must have something to search")
        #expect(!maps.contains("libfuse3.so"))
    }
}
