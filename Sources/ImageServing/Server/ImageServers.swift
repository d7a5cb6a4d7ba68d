public import ImageIO
public import ImageMapping
public import LinuxKernel
internal import RBD

/// How the server of an image is.
public struct ImageServerStatus: Sendable {
    /// The server, if it lives.
    public let server: ProcessIdentity?
    /// The keeper, if it is alive.
    public let keeper: ProcessIdentity?
    /// The statistics since the image was mapped, if the server reports them.
    public let statistics: IOStatistics?

    /// Why the server is stopped, if it is; written by its keeper.
    public let stall: String?

    /// The errno of an acknowledged write that was lost; `nil` if none was.
    public var failure: Int32? { statistics?.failure }

    /// How often a server of the image has died and was replaced.
    public var replacements: UInt64 { statistics?.successions ?? 0 }
}

/// The servers of a node's images, to look at.
public struct ImageServers: Sendable {
    private let stateDirectory: String

    /// Looks at the mappings in a state directory.
    public init(stateDirectory: String) { self.stateDirectory = stateDirectory }

    /// The state of an image's server; `nil` if it has none, because it is not mapped or the kernel serves it.
    ///
    /// Asks the server, which answers at once, or not within 2 s if it is stopped.
    public func status(of image: ImageAddress) -> ImageServerStatus? {
        let directory = MappingDirectory(path: "\(stateDirectory)/mappings/\(image.fileName)")
        guard let record = ServerRecord.read(directory) else { return nil }
        return ImageServerStatus(
            server: record.process != record.keeper && record.process.isAlive ? record.process : nil,
            keeper: record.keeper?.isAlive == true ? record.keeper : nil,
            statistics: ServerControl.ask("statistics", at: directory.control, within: 2),
            stall: KernelFile.firstLine(directory.stall)
        )
    }

    /// Which image the server has and which has its name, as it found last; answered as `status` is.
    package func lastWhereabouts(of image: ImageAddress) -> ImageWhereabouts? {
        let directory = MappingDirectory(path: "\(stateDirectory)/mappings/\(image.fileName)")
        let answer: ServerControl.Place? = ServerControl.ask("known", at: directory.control, within: 2)
        return answer?.whereabouts
    }

    /// Asks the server which image it has, and which has its name by its cluster's word.
    ///
    /// - Parameters:
    ///   - image: The image, by the name that it was mapped by.
    ///   - seconds: How long it may take.
    /// - Returns: Both; `nil` if none serves the image, or the server cannot tell.
    /// - Throws: `MappingError` of kind `.unavailable` when the server or its cluster does not answer.
    package func whereabouts(
        of image: ImageAddress,
        within seconds: Int
    ) throws(MappingError) -> ImageWhereabouts? {
        let directory = MappingDirectory(path: "\(stateDirectory)/mappings/\(image.fileName)")
        guard ServerRecord.read(directory)?.process.isAlive == true else { return nil }
        return try ServerControl.whereabouts(of: image, at: directory.control, within: seconds)
    }

    /// All images that are mapped here, by their records, with any mapper.
    public func mappings() -> [(image: ImageAddress, mapper: MapperKind, isHeld: Bool)] {
        let names = (try? KernelFile.names(in: "\(stateDirectory)/mappings")) ?? []
        return names.compactMap { name in
            let record = MappingRecord.read(MappingDirectory(path: "\(stateDirectory)/mappings/\(name)"))
            return record.map { ($0.image, $0.mapper ?? .fuse, $0.sharing == .oneNode) }
        }
    }

    /// The images with a server, by the names of their mappings.
    public func images() -> [ImageAddress] {
        let names = (try? KernelFile.names(in: "\(stateDirectory)/mappings")) ?? []
        return names.compactMap { name in
            let directory = MappingDirectory(path: "\(stateDirectory)/mappings/\(name)")
            guard ServerRecord.read(directory) != nil else { return nil }
            return MappingRecord.read(directory)?.image
        }
    }
}
