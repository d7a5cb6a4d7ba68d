internal import KubernetesAPI
internal import Volumes

/// What a claim's volume is made from, by live reads: a VolumeSnapshot or another claim of its namespace.
///
/// What is missing or not ready is a `.failedPrecondition`, for it may come; what can never fit is another code.
struct ClaimSource {
    let shop: Workshop
    let claim: PersistentVolumeClaim

    /// The snapshot's or the volume's handle, while a claim that is copied is held; `nil` for an empty volume.
    ///
    /// - Throws: As `found`.
    func held() async throws -> ContentSource? {
        let source = try await found()
        guard case .volume? = source, let name = claim.details?.dataSource?.name else { return source }
        guard let copied = try await shop.liveClaim(claim.metadata.namespace, name) else {
            throw waits("claim '\(name.printable)'", "it is gone")
        }
        guard !copied.metadata.isBeingDeleted else { throw waits("claim '\(name.printable)'", "it is being deleted") }
        try await SourceProtection(shop: shop).hold(copied, by: SourceProtection.copyFinalizer)
        return source
    }

    /// The snapshot's or the volume's handle; `nil` for an empty volume.
    ///
    /// - Throws: `VolumeError` that names the source and what is wrong with it, or `KubernetesError`.
    func found() async throws -> ContentSource? {
        guard let source = claim.details?.dataSource else { return nil }
        if let namespace = source.namespace, namespace != claim.metadata.namespace {
            throw VolumeError.invalid(
                "cannot fill a volume from \(source.kind) '\(namespace.printable)/\(source.name.printable)': it is in another "
                    + "namespace than the claim; make the claim in namespace '\(namespace.printable)', or a VolumeSnapshot in "
                    + "namespace '\(claim.metadata.namespace)' with a VolumeSnapshotContent of its own of the same snapshotHandle"
            )
        }
        if source.isSnapshot { return try await snapshot(source.name) }
        guard source.isClaim else {
            throw VolumeError.invalid("cannot fill a volume from a \(source.kindName.printable)")
        }
        return try await volume(of: source.name)
    }

    private func waits(_ what: String, _ why: String) -> VolumeError {
        VolumeError(.failedPrecondition, "waiting to fill the volume from \(what): \(why)")
    }

    private func snapshot(_ name: String) async throws -> ContentSource {
        let what = "VolumeSnapshot '\(name.printable)'"
        let found: VolumeSnapshot?
        do throws(KubernetesError) {
            found = try await shop.liveSnapshot(claim.metadata.namespace, name)
        } catch {
            guard error.status?.isNotFound ?? false else { throw error }
            throw waits(
                what,
                "this cluster has no VolumeSnapshots; kubectl apply -k deploy/snapshots brings their kinds"
            )
        }
        guard let found else {
            throw waits(what, "there is none of that name in namespace '\(claim.metadata.namespace)'")
        }
        // Who has this finalizer is kept until the claims that name it are filled.
        guard !found.metadata.isBeingDeleted || found.finalizers.contains(SnapshotAPI.sourceFinalizer) else {
            throw waits(what, "it is being deleted")
        }
        guard let contentName = found.boundContentName else {
            throw waits(what, found.errorMessage.map { "it was not taken: \($0)" } ?? "it is not taken yet")
        }
        guard let content = try await shop.liveContent(contentName) else {
            throw waits(what, "its VolumeSnapshotContent '\(contentName.printable)' is gone")
        }
        guard content.isBound(to: found) else {
            throw VolumeError.invalid(
                "cannot fill a volume from \(what): it names VolumeSnapshotContent '\(contentName.printable)', which is for "
                    + "VolumeSnapshot '\(content.reference.key.printable)'"
            )
        }
        guard content.driver == shop.settings.driverName else {
            throw VolumeError.invalid(
                "cannot fill a volume from \(what): driver '\(content.driver.printable)' has it, and class "
                    + "'\(claim.className ?? "")' is of \(shop.settings.driverName); take a class of that driver"
            )
        }
        guard !content.metadata.isBeingDeleted else {
            throw waits(what, "its VolumeSnapshotContent '\(contentName.printable)' is being deleted")
        }
        guard found.isReady, content.isReady, let handle = content.handle else {
            let error = content.errorMessage ?? found.errorMessage
            throw waits(what, error.map { "it was not taken: \($0)" } ?? "it is not ready yet")
        }
        try checkMode(content, what)
        try checkSize(content.restoreBytes ?? found.restoreBytes ?? 0, what)
        return .snapshot(handle)
    }

    private func checkMode(_ content: VolumeSnapshotContent, _ what: String) throws(VolumeError) {
        let wanted = claim.isBlock ? "Block" : "Filesystem"
        guard let mode = content.sourceMode, mode != wanted, content.annotations[SnapshotAPI.modeChangeKey] != "true"
        else {
            return
        }
        throw .invalid(
            "cannot fill a \(wanted) volume from \(what), which was taken of a volume of mode \(mode.printable); claim that "
                + "mode, or have who may: kubectl annotate volumesnapshotcontent \(content.metadata.name) "
                + "\(SnapshotAPI.modeChangeKey)=true"
        )
    }

    private func checkSize(_ bytes: Int64, _ what: String) throws(VolumeError) {
        guard claim.requestBytes < bytes else { return }
        throw VolumeError(
            .outOfRange,
            "cannot fill a volume of \(claim.details?.requestText.printable ?? "") from \(what), which needs "
                + "\(Quantity.text(bytes)); make the claim again with that request, or more"
        )
    }

    private func volume(of name: String) async throws -> ContentSource {
        let what = "claim '\(name.printable)'"
        guard name != claim.metadata.name else {
            throw VolumeError.invalid("cannot fill a volume from \(what): that is the claim itself")
        }
        guard let source = try await shop.liveClaim(claim.metadata.namespace, name) else {
            throw waits(what, "there is none of that name in namespace '\(claim.metadata.namespace)'")
        }
        guard !source.metadata.isBeingDeleted else { throw waits(what, "it is being deleted") }
        guard source.phase == .bound, !source.volumeName.isEmpty else { throw waits(what, "it is not bound yet") }
        let volume = try await SourceVolume.found(of: source, shop)
        guard source.isBlock == claim.isBlock else {
            throw VolumeError.invalid(
                "cannot fill a \(claim.isBlock ? "Block" : "Filesystem") volume from \(what), which is of mode "
                    + "\(source.isBlock ? "Block" : "Filesystem"); ask for the same volumeMode"
            )
        }
        try checkSize(max(source.capacityBytes, volume.object.capacityBytes), what)
        return .volume(volume.handle)
    }
}

/// The volume of a bound claim, which a snapshot or a copy is made of.
struct SourceVolume {
    /// The PersistentVolume, with its details.
    let object: PersistentVolume
    /// The volume's handle.
    let handle: String

    /// Reads it live.
    ///
    /// - Throws: `VolumeError` when it is not ours, or not bound to that claim; or `KubernetesError`.
    static func found(of claim: PersistentVolumeClaim, _ shop: Workshop) async throws -> SourceVolume {
        let what = "claim '\(claim.metadata.name)'"
        guard let volume = try await shop.liveVolume(claim.volumeName), let details = volume.details,
            volume.claim?.uid == claim.metadata.uid
        else {
            throw VolumeError(
                .failedPrecondition,
                "PersistentVolume '\(claim.volumeName.printable)' of \(what) is gone, or is another claim's"
            )
        }
        guard volume.provisionedBy == shop.settings.driverName,
            let attributes = VolumeAttributes(details, flexDriver: shop.settings.flexDriver)
        else {
            let maker = volume.provisionedBy.isEmpty ? "a person" : volume.provisionedBy
            throw VolumeError.invalid(
                "\(what) has a volume of \(maker.printable), not of \(shop.settings.driverName); only a driver's own volumes "
                    + "can be copied by it"
            )
        }
        return SourceVolume(object: volume, handle: attributes.handle)
    }
}
