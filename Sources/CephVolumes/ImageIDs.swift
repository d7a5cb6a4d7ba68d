internal import Synchronization
internal import Volumes

/// Ids of images that this process has seen, so that a delete need not read what a create has just read.
///
/// An image keeps its id for life, so an entry can only be stale when the image was deleted and made anew; then its old
/// header is gone, which whoever uses the id finds out and reads it afresh. Entries age in two generations: when the
/// young one is full it becomes the old one, whose entries go unless they were seen again.
final class ImageIDs: Sendable {
    private struct State {
        var young: [VolumeID: String] = [:]
        var old: [VolumeID: String] = [:]
    }

    private let state = Mutex(State())
    private let generation: Int

    init(generation: Int = 4096) {
        self.generation = generation
    }

    subscript(_ volume: VolumeID) -> String? {
        state.withLock { $0.young[volume] ?? $0.old[volume] }
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
