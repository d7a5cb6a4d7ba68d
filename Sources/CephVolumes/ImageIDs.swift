internal import Synchronization
internal import Volumes

/// Ids of images that this process has seen, and whether it has seen our mark on them, so that who comes next need not read
/// them again.
///
/// A name may lead to another image since, or to none: what would harm the old one asks Ceph, and whoever uses an id finds
/// out that its header is gone. Entries age in two generations: when the young one is full it becomes the old one, whose
/// entries go unless they were seen again.
final class ImageIDs: Sendable {
    private struct Known {
        var id: String
        var isMarked: Bool
    }

    private struct State {
        var young: [VolumeID: Known] = [:]
        var old: [VolumeID: Known] = [:]

        func known(_ volume: VolumeID) -> Known? { young[volume] ?? old[volume] }
    }

    private let state = Mutex(State())
    private let generation: Int

    init(generation: Int = 4096) {
        self.generation = generation
    }

    subscript(_ volume: VolumeID) -> String? {
        state.withLock { $0.known(volume)?.id }
    }

    /// Whether we have seen the metadata on it that says it is ours.
    func isMarked(_ id: String, of volume: VolumeID) -> Bool {
        state.withLock { state in
            state.known(volume).map { $0.id == id && $0.isMarked } ?? false
        }
    }

    func remember(_ id: String, of volume: VolumeID, isMarked: Bool = false) {
        state.withLock { state in
            let known = state.known(volume)
            state.young[volume] = Known(id: id, isMarked: isMarked || known?.id == id && known?.isMarked == true)
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
