internal import Synchronization
internal import Volumes

/// Ids of images that this process has seen, so that later calls need not read them again.
///
/// A name may have another image since, or none. So destructive calls ask Ceph, and a caller that uses a stale id finds
/// that its header is gone. Entries age in two generations: when the young one is full, it becomes the old one, whose
/// entries are dropped unless they were seen again.
final class ImageIDs: Sendable {
    private struct State {
        var young: [VolumeID: String] = [:]
        var old: [VolumeID: String] = [:]

        func known(_ volume: VolumeID) -> String? { young[volume] ?? old[volume] }
    }

    private let state = Mutex(State())
    private let generation: Int

    init(generation: Int = 4096) {
        self.generation = generation
    }

    subscript(_ volume: VolumeID) -> String? {
        state.withLock { $0.known(volume) }
    }

    func remember(_ id: String, of volume: VolumeID) {
        state.withLock { state in
            state.young[volume] = id
            guard state.young.count >= generation else { return }
            state.old = state.young
            state.young = [:]
        }
    }

    func forget(_ volume: VolumeID) {
        state.withLock { state in
            state.young[volume] = nil
            state.old[volume] = nil
        }
    }
}
