public import NodeVolumes
public import Volumes

/// An image that lost its name to a copy: what is the same for every mapper.
extension NodeLab {
    /// Why a node refuses a call for a volume.
    ///
    /// - Parameters:
    ///   - call: `stage`, `publish` or `expand`.
    ///   - service: Who is called.
    ///   - image: The volume's image in pool rbd.
    ///   - fsType: The volume's file system; nothing for a block volume.
    /// - Returns: The error; `nil` if it was done.
    public func failure(
        of call: String,
        by service: NodeVolumeService,
        _ image: String,
        _ fsType: String?
    ) async -> VolumeError? {
        let deadline = ContinuousClock.now + .seconds(100)
        do throws(VolumeError) {
            switch call {
            case "stage": try await service.stage(stageRequest(image, fsType: fsType), deadline: deadline)
            case "publish": try await service.publish(publishRequest(image, fsType: fsType), deadline: deadline)
            default:
                _ = try await service.expand(
                    NodeExpandRequest(
                        volumeID: handle(image),
                        volumePath: stagingPath(image),
                        stagingPath: "",
                        range: nil,
                        capability: nil
                    ),
                    deadline: deadline
                )
            }
            return nil
        } catch {
            return error
        }
    }

    /// Stages and publishes a volume, sets its image aside as `IMAGE-broken`, and copies it to its name: no call on the node
    /// takes one for the other.
    ///
    /// - Parameters:
    ///   - image: The image.
    ///   - fsType: The volume's file system; nothing for a block volume.
    ///   - service: Who stages it.
    ///   - anew: The calls that a service which was started anew, and knows no user, must refuse.
    ///   - imageID: Finds an image's id by its name.
    ///   - rbd: Runs the rbd program with these words.
    /// - Returns: What was wrong, a sentence each; and the copy's id.
    /// - Throws: What setting up throws.
    public func setAside(
        _ image: String,
        _ fsType: String?,
        by service: NodeVolumeService,
        refusedAnew anew: [String],
        imageID: (String) async throws -> String?,
        rbd: (String) async throws -> Void
    ) async throws -> (faults: [String], copy: String) {
        let deadline = ContinuousClock.now + .seconds(100)
        try await service.stage(stageRequest(image, fsType: fsType), deadline: deadline)
        try await service.publish(publishRequest(image, fsType: fsType), deadline: deadline)
        let id = try await imageID(image) ?? "no image"
        try await rbd("mv rbd/\(image) rbd/\(image)-broken")
        var faults: [String] = []
        func refuses(_ call: String, _ service: NodeVolumeService, _ words: [String]) async {
            guard let error = await failure(of: call, by: service, image, fsType) else {
                return faults.append("\(call) was done")
            }
            guard error.code == .failedPrecondition, words.allSatisfy({ error.message.contains($0) }) else {
                return faults.append("\(call) should name \(words): \(error.code): \(error.message)")
            }
        }
        await refuses("stage", service, ["'rbd/\(image)-broken'"])
        try await rbd("cp --no-progress rbd/\(image)-broken rbd/\(image)")
        let copy = try await imageID(image) ?? "no image"
        for (service, calls) in [(service, ["stage", "publish", "expand"]), (self.service(), anew)] {
            for call in calls { await refuses(call, service, [id, copy, "'rbd/\(image)-broken'"]) }
        }
        return (faults, copy)
    }
}
