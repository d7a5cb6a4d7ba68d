import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// A volume that is staged and published once, below a directory that a test moves.
struct PublishedVolume {
    let image: String
    let lab: NodeLab
    let service: NodeVolumeService
    let request: PublishRequest

    var directory: String { lab.directory }
    var handle: String { lab.handle(image) }

    /// Makes it: its target is `pods/uid/IMAGE` of the lab's directory.
    ///
    /// - Parameters:
    ///   - image: Its image's name.
    ///   - fsType: Its file system; `nil` for a block volume.
    ///   - way: What the publish calls `pods`: that, or `way`, a link to it.
    /// - Throws: What its lab or the calls throw.
    init(_ image: String, fsType: String? = "ext4", way: String = "pods") async throws {
        self.image = image
        lab = try await NodeLab.fresh(image, megabytes: 64)
        try await shell("mkdir \(lab.directory)/pods/uid && ln -s pods \(lab.directory)/way")
        var request = lab.publishRequest(image, fsType: fsType)
        request.targetPath = "\(lab.directory)/\(way)/uid/\(image)"
        self.request = request
        service = lab.service()
        try await service.stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await service.publish(request, deadline: soon)
    }

    /// Unpublishes it by its own service or another one.
    func unpublish(by other: NodeVolumeService? = nil) async throws(VolumeError) {
        try await (other ?? service).unpublish(volumeID: handle, targetPath: request.targetPath, deadline: soon)
    }

    func unstage() async throws(VolumeError) {
        try await service.unstage(volumeID: handle, stagingPath: lab.stagingPath(image), deadline: soon)
    }

    /// Unstages it, and sees that nothing of it is left.
    func end(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await unstage()
        #expect(try lab.remains() == [], sourceLocation: sourceLocation)
        try await lab.remove(image)
    }
}
