internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
public import Secrets
internal import SystemPackage
public import Volumes

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
        let state = await clusterState()
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
        case .timedOut where state != nil:
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
        await clusterState()?.standstill(ofPools: [id.pool])
    }

    private func clusterState() async -> ClusterState? {
        let link = link
        return await looks.state(ofCluster: id.clusterID, as: credentials) { () async throws(VolumeError) in link }
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

extension RBDImageStore {
    /// Why I/O to a volume's image is not answered, in words; `nil` if no reason is known.
    ///
    /// Answers within seconds.
    public func standstill(of id: VolumeID, as credentials: Credentials?) async -> String? {
        try? await looks.run(
            "ask what volume '\(id)' waits for",
            on: "standstill \(id)",
            fingerprint: "standstill",
            deadline: .now + .seconds(3)
        ) { () async throws(VolumeError) in
            try await self.place(of: id, as: credentials).standstill()
        }
    }

    /// Who else has a volume's image open, for whom a node may have to wait; `nil` if nobody has, or nobody says.
    ///
    /// Answers within seconds.
    ///
    /// - Parameters:
    ///   - id: The volume.
    ///   - credentials: Whom to ask as; the service's own user without.
    ///   - node: The node whose own clients do not count.
    /// - Returns: Such as `the client at 10.0.0.7:0/123456 has the image open`.
    public func otherUsers(of id: VolumeID, as credentials: Credentials?, than node: String) async -> String? {
        let found = try? await looks.run(
            "ask who has volume '\(id)'",
            on: "users \(id)",
            fingerprint: "users",
            deadline: .now + .seconds(3)
        ) { () async throws(VolumeError) -> [ImageClient] in
            let place = try await self.place(of: id, as: credentials)
            return try await place.trying("read who has image") { () async throws(RBDError) -> [ImageClient] in
                guard let imageID = try await place.context.imageID(named: id.image) else { return [] }
                return try await place.context.clients(ofImageID: imageID)?.clients ?? []
            }
            .filter { $0.clientID != place.context.cluster.instanceID }
        }
        let others = (found ?? []).filter { client in client.record.map { !$0.node.isExactly(node) } ?? true }
        guard !others.isEmpty else { return nil }
        return
            "\(others.map(\.description).joined(separator: ", ")) \(others.count == 1 ? "has" : "have") the image open"
    }
}
