internal import CephVolumes
internal import RBD
internal import Volumes

/// Reads a restored image back, and compares it with the backup.
struct RestoreProof: Sendable {
    let image: ImageAccess
    let imageID: String
    let windows: ImageWindows
    let cache: ChunkCache
    let sums: WindowSums
    let progress: BackupProgress

    /// Reads all that is there.
    ///
    /// - Returns: The checksum of what was read.
    /// - Throws: `VolumeError` with `.dataLoss` if it is not what the backup holds.
    func run() async throws(VolumeError) -> Digest {
        let id = imageID
        let (open, there) = try await image.blocking("open image") { (context) throws(RBDError) in
            let open = try Image.open(id: id, in: context, access: .readOnly)
            return (open, try ImageChanges(of: open, since: nil, sizeBytes: try open.sizeBytes()).extents)
        }
        let outcome: Result<Digest, VolumeError>
        do throws(VolumeError) {
            outcome = .success(try await compare(open, there))
        } catch {
            outcome = .failure(error)
        }
        _ = try? await image.blocking("close image") { (_) throws(RBDError) in open.close() }
        return try outcome.get()
    }

    private func compare(_ open: Image, _ there: [Range<UInt64>]) async throws(VolumeError) -> Digest {
        let unit = ImageWindows.bytes
        var numbers = Set(windows.windows.map(\.number))
        for range in there { numbers.formUnion(range.lowerBound / unit...(range.upperBound - 1) / unit) }
        let held = Dictionary(uniqueKeysWithValues: windows.windows.map { ($0.number, $0) })
        let all = numbers.sorted()
        progress.enter("reading it back", total: UInt64(all.count) * unit)
        let found = try await atOnce(all, width: 8) { (number) async throws(VolumeError) -> Digest? in
            let expected: Digest?
            if let window = held[number] {
                if let sum = sums[number] {
                    expected = sum
                } else {
                    expected = WindowSums.sum(of: try await windows.content(of: window, cache))
                }
            } else {
                expected = nil
            }
            let end = windows.map.sizeBytes
            let sum = try await image.blocking("read image") { (_) throws(RBDError) -> Digest? in
                // Behind the backup's end the image may be larger, and holds nothing.
                let length = number * unit < end ? Int(min(unit, end - number * unit)) : Int(unit)
                return WindowSums.sum(of: try open.bytes(at: number * unit, count: length))
            }
            progress.add(unit)
            guard sum == expected else {
                throw VolumeError(
                    .dataLoss,
                    "image '\(image.id.imageSpec)' reads otherwise than backup holds it, at bytes \(number * unit) to "
                        + "\((number + 1) * unit - 1); look at the cluster's health, delete the volume, and restore it again"
                )
            }
            return sum
        }
        var writer = ByteWriter()
        for (number, sum) in zip(all, found) {
            guard let sum else { continue }
            writer.append(number)
            writer.append(sum.bytes)
        }
        return Digest(of: writer.bytes)
    }
}
