internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
internal import SystemPackage
internal import Volumes

extension Place {
    /// Converts the failure of a call on this image, by its errno and, if that says little, by the state of the
    /// cluster, the pool and the image.
    func failure(
        _ doing: String,
        _ error: RBDError,
        creating layout: ImageLayout? = nil
    ) async -> VolumeError {
        let plain = link.failing(doing, error)
        let call = "(\(error.call): \(error.code.name))"
        switch error.code {
        case .fileExists, .socketShutdown: return plain
        case .noSuchFileOrDirectory where layout == nil: return plain
        default: break
        }
        let answer = await monitorsAnswer()
        let state = answer.state
        if let state {
            let features = layout == nil ? await imageFeatures(unlessIn: error) : nil
            let explanation = Explanation(of: error, on: id, creating: layout, in: state, features: features)
            if let explanation { return VolumeError(explanation.code, "\(doing): \(explanation.words) \(call)") }
        }
        let caps = "osd 'profile rbd pool=\(id.pool)\(id.namespace.isEmpty ? "" : " namespace=\(id.namespace)")'"
        switch error.code {
        case .permissionDenied, .notPermitted:
            return VolumeError(
                .permissionDenied,
                "\(doing): Ceph refuses it to \(credentials) \(call); its caps must be mon 'profile rbd' and \(caps)"
            )
        case .timedOut:
            if case .silence(let words) = answer { return VolumeError(.unavailable, "\(doing): \(words) \(call)") }
            guard state != nil else { return plain }
            // An OSD of Ceph 18 or later does not speak with a user that has no caps for it, and librados tries on and on.
            return VolumeError(
                .unavailable,
                "\(doing): no OSD answered \(credentials) in time, and the monitors know of no reason \(call); see whether "
                    + "this machine reaches the addresses in 'ceph osd dump', and whether the user has caps for osd at "
                    + "all, which must be \(caps); then retry"
            )
        default: return plain
        }
    }

    /// Why I/O to the image is not answered, for a caller that waits for it; `nil` if no reason is known.
    func standstill() async -> String? {
        await monitorsAnswer().standstill(ofPools: [id.pool])
    }

    private func monitorsAnswer() async -> MonitorsAnswer {
        let link = link
        return await looks.answer(ofCluster: id.clusterID, at: link.monitors, as: credentials) {
            () async throws(VolumeError) in link
        }
    }

    /// The features of the image; not read if the OSDs do not answer.
    private func imageFeatures(unlessIn error: RBDError) async -> ImageFeatures? {
        guard error.code != .timedOut, let imageID = try? await context.imageID(named: id.image) else { return nil }
        guard let header = try? await context.imageHeader(id: imageID) else { return nil }
        return await features(by: header)
    }

    /// An image's features, with `nonPrimary` also for a copy that rbd-mirror keeps by its journal.
    ///
    /// Answers within seconds; without an answer, what the header says counts.
    func features(by header: ImageHeader) async -> ImageFeatures {
        guard header.features.contains(.journaling) else { return header.features }
        let isCopy = try? await looks.run(
            "read the mirroring of image '\(id.imageSpec)'",
            on: "mirroring \(id)",
            fingerprint: "\(credentials)",
            deadline: .now + .seconds(3)
        ) { () async throws(VolumeError) in
            // Not by `trying`, which explains its failures by this.
            do throws(RBDError) {
                // Most journals are nobody's copy: one read tells, without a thread and without opening the image.
                guard try await context.isMirrored(header.id) else { return false }
                return try await link.waitingThreads.run { () throws(RBDError) in
                    try Image.open(id.image, in: context, access: .readOnly).isCopyOfMirror()
                }
            } catch {
                throw ErrorMapping.failing("cannot read the mirroring of image '\(id.imageSpec)'", error)
            }
        }
        return isCopy == true ? header.features.union(.nonPrimary) : header.features
    }
}
