import CephVolumes

extension DirectBackend {
    /// Waits until the purger has removed every image that this process moved to the trash, because no service will do
    /// it later.
    func emptyTrash(deadline: ContinuousClock.Instant) async -> String? {
        while true {
            let status = purger.status
            guard status.waiting + status.running.count + status.blocked.count > 0 else { return nil }
            guard ContinuousClock.now < deadline else {
                guard let blocked = status.blocked.first else {
                    return "it takes longer than --timeout; nacre serve removes it later"
                }
                return "\(blocked.image): \(blocked.reason); once that is gone, nacre serve removes it"
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    /// The purger's progress: `removing from Ceph, 120 of 2560 objects`.
    var purgeStep: String? {
        let status = purger.status
        if let blocked = status.blocked.first { return "waiting, for \(blocked.reason)" }
        guard let image = status.running.first, image.done + image.total > 0 else { return nil }
        return image.progress
    }
}
