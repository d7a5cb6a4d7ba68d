internal import Volumes

extension BackupStore {
    /// Reads one object of a volume's backups, and tells an object that cannot be read from a place that cannot.
    ///
    /// A server may have no better words for an object that it has lost than that it cannot do it now. Where it gives others,
    /// the object is asked for once more, for a short outage damages nothing.
    ///
    /// - Parameters:
    ///   - keys: The volume's.
    ///   - body: The reading.
    /// - Returns: What was read.
    /// - Throws: `VolumeError`; with `.dataLoss` if that object cannot be read, and others can.
    func readingOne<R: Sendable>(
        of keys: BackupKeys,
        _ body: () async throws(VolumeError) -> R
    ) async throws(VolumeError) -> R {
        do throws(VolumeError) {
            return try await body()
        } catch {
            guard Self.mayBeOfOne(error), await isReadable(keys) else { throw error }
        }
        do throws(VolumeError) {
            return try await body()
        } catch {
            guard Self.mayBeOfOne(error), await isReadable(keys) else { throw error }
            throw VolumeError(.dataLoss, error.message)
        }
    }

    private static func mayBeOfOne(_ error: VolumeError) -> Bool {
        error.code == .unavailable || error.code == .internal
    }

    /// Whether the place gives anything of the volume's backups.
    private func isReadable(_ keys: BackupKeys) async -> Bool {
        if (try? await destination.bytes(of: keys.chain)) != nil { return true }
        guard let manifest = try? await destination.keys(below: keys.manifests).first else { return false }
        return (try? await destination.bytes(of: manifest)) != nil
    }
}
