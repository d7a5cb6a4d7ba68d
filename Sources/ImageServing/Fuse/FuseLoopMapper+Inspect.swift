internal import Glibc
public import ImageMapping
internal import LinuxKernel

extension FuseLoopMapper {
    /// Every mapping of which something exists, complete or not.
    public func inspect() throws(MappingError) -> [Mapping] {
        do throws(KernelError) {
            guard try FileKind.of(mappingsDirectory) != nil else { return [] }
            let table = try MountTable.current()
            var mappings: [Mapping] = []
            for name in try KernelFile.names(in: mappingsDirectory) {
                let directory = MappingDirectory(path: "\(mappingsDirectory)/\(name)")
                mappings.append(
                    Mapping(
                        name: name,
                        image: MappingRecord.read(directory)?.image,
                        server: server(of: directory).live,
                        connection: connection(directory, table),
                        loopDevices: try sysfs.loopDevices(backedBy: directory.imageFile)
                    )
                )
            }
            return mappings
        } catch {
            throw MappingError("list the mappings", error)
        }
    }

    /// Whether a server or keeper uses the directory and its file system is mounted.
    ///
    /// A keeper without a server starts one; I/O waits until then.
    func isServed(_ directory: MappingDirectory) throws(KernelError) -> Bool {
        guard try server(of: directory).isKept() else { return false }
        return connection(directory, try MountTable.current()) != nil
    }

    func isServing(_ directory: MappingDirectory, _ image: ImageAddress) throws(MappingError) -> Bool {
        do throws(KernelError) {
            return try isServed(directory)
        } catch {
            throw MappingError("find the server of image \(image)", error)
        }
    }

    func server(of directory: MappingDirectory) -> MappedServer {
        MappedServer(directory: directory, logger: logger)
    }

    /// The number of the FUSE connection at the directory's mount point.
    func connection(_ directory: MappingDirectory, _ table: MountTable) -> Int? {
        guard let mount = table.mount(at: directory.mountPoint), mount.fileSystem == FuseSession.fileSystem else {
            return nil
        }
        return Int(mount.device.minor)
    }
}
