internal import Blocking
internal import ImageMapping
internal import Logging
internal import NodeMapping
internal import Volumes

/// How a question ended which image has a volume's name.
enum NameAnswer: Sendable {
    /// The image still has its name, or nobody can tell: the service was started anew, and has not staged the volume since.
    case told
    /// The cluster did not answer, or not to this user; the volume is mounted, so that hinders nothing.
    case silent
}

extension NodeVolumeService {
    /// Refuses to go on with a volume whose image was renamed or replaced since this node mapped it.
    ///
    /// Without it a pod would have the image that had the name before, while the cluster shows the present one as not in
    /// use: it could be written by another node, or deleted.
    ///
    /// - Parameters:
    ///   - what: What cannot be done: `publish volume 'x'`.
    ///   - id: The volume.
    ///   - request: How it is to be mapped; nothing for how it was.
    ///   - isMounted: Whether its device is mounted already where it is wanted. Then an outage or a key that was changed
    ///     hinders nothing: kubelet repeats its calls for every pod when it is started anew, and `stats` tells later what
    ///     was not told now.
    /// - Returns: Whether it was told.
    /// - Throws: `VolumeError` with `.failedPrecondition` that names both images; where nothing is mounted also
    ///   `.unavailable` when the cluster does not answer.
    @discardableResult
    func refuseAnother(
        _ what: String,
        _ id: VolumeID,
        as request: MapRequest? = nil,
        isMounted: Bool = false
    ) async throws(VolumeError) -> NameAnswer {
        let (address, asker) = (address(of: id), request ?? asker(of: id))
        do throws(MappingError) {
            guard let found = try await whereabouts(address, asker, within: isMounted ? 3 : 10) else {
                // Who stages it tells as whom to ask.
                guard asker == nil else { return .told }
                warn(id, "it is not known as whom to ask before the volume is staged again")
                return .told
            }
            let mapper = mapper
            try await pool.run { () throws(MappingError) in try mapper.note(found.mapped, of: address) }
            try found.refuseChange(what, of: address)
            return .told
        } catch  where error.isBlocklisted {
            // Its I/O fails already, and what stages it again replaces the device.
            return .told
        } catch  where error.kind != .replaced && isMounted {
            warn(id, error.message)
            return .silent
        } catch {
            throw VolumeError(error)
        }
    }

    private func warn(_ id: VolumeID, _ reason: String) {
        logger.warning(
            "cannot tell whether the image of a volume still has its name",
            metadata: ["volume": "\(id)", "why": "\(reason)"]
        )
    }

    /// Asks on a thread of the image's own, and waits no longer than it was told for an earlier question, and as long for the
    /// answer.
    private func whereabouts(
        _ image: ImageAddress,
        _ asker: MapRequest?,
        within seconds: Int
    ) async throws(MappingError) -> ImageWhereabouts? {
        let mapper = mapper
        let latest = ContinuousClock.now + .seconds(seconds)
        let (begun, begin) = AsyncStream<Void>.makeStream()
        let lookup = Task {
            await asking(image) { () -> Result<ImageWhereabouts?, MappingError>? in
                defer { begin.finish() }
                // Who asked has gone on.
                guard .now < latest else { return nil }
                begin.yield()
                return Result { () throws(MappingError) in
                    try mapper.whereabouts(of: image, asker, within: seconds)
                }
            }
        }
        let hasBegun = await bounded(until: latest) { await begun.first { _ in true } != nil }
        guard hasBegun == true else {
            throw MappingError(
                .unavailable,
                "which image is named '\(image)' now was not asked within \(seconds) s, because an earlier question is not "
                    + "answered yet; does its cluster answer ('ceph status')?"
            )
        }
        let answer = await bounded(until: .now + .seconds(seconds)) { await lookup.value }
        guard let answer = answer ?? nil else {
            throw MappingError(
                .unavailable,
                "cannot tell within \(seconds) s which image is named '\(image)' now; does its cluster answer ('ceph status')?"
            )
        }
        return try answer.get()
    }
}
