internal import RADOS
internal import SystemPackage

/// Which data objects of an image may exist: two bits an object, four objects a byte, the first in the highest bits.
///
/// See: bit_vector.hpp, `BitVector<2>`; cls_rbd_types.h, `OBJECT_NONEXISTENT` is 0, all other values mean that it may
/// exist.
struct ObjectMap {
    private let bytes: ArraySlice<UInt8>
    /// Objects that it tells of.
    let count: UInt64

    /// Reads the answer of `rbd.object_map_load`; `nil` if it is not one.
    init?(_ answer: [UInt8]) {
        var decoder = Decoder(answer)
        // A header, itself a string of bytes: version, compatible version, length, number of objects.
        guard let length = decoder.number(UInt32.self), answer.count >= 4 + Int(length) else { return nil }
        var text = Decoder(Array(answer[4..<(4 + Int(length))]))
        guard var header = text.structure(), let count = header.number(UInt64.self) else { return nil }
        let start = 4 + Int(length)
        let needed = count / 4 + (count % 4 == 0 ? 0 : 1)
        guard UInt64(answer.count - start) >= needed else { return nil }
        bytes = answer[start..<(start + Int(needed))]
        self.count = count
    }

    /// Numbers of objects that may exist, from `start` on, at most `limit`; empty behind the last.
    func existing(from start: UInt64, limit: Int) -> [UInt64] {
        var found: [UInt64] = []
        var place = Int(start / 4)
        let size = bytes.count
        bytes.withUnsafeBytes { bytes in
            while place < size, found.count < limit {
                // In a large image nearly all objects do not exist.
                if place % 8 == 0, place + 8 <= size, bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self) == 0 {
                    place += 8
                    continue
                }
                let byte = bytes[place]
                for part in 0..<4 where byte >> UInt8(6 - 2 * part) & 3 != 0 {
                    let number = UInt64(place) * 4 + UInt64(part)
                    if number >= start, number < count { found.append(number) }
                }
                place += 1
            }
        }
        return found
    }

    /// How many objects may exist.
    var existingCount: UInt64 {
        var total: UInt64 = 0
        bytes.withUnsafeBytes { bytes in
            for place in 0..<bytes.count where bytes[place] != 0 {
                let pairs = bytes[place]
                total += UInt64(((pairs | pairs >> 1) & 0x55).nonzeroBitCount)
            }
        }
        return total
    }
}

extension IOContext {
    /// An image's object map; `nil` if it has none, or one that cannot be read.
    ///
    /// Implements the class call `rbd.object_map_load`.
    func objectMap(ofID id: String) async throws(RBDError) -> ObjectMap? {
        let call = ClassCall("rbd", "object_map_load")
        do throws(RBDError) {
            guard let answers = try await classCalls([call], on: ImageObject.objectMap(ofID: id)) else { return nil }
            return ObjectMap(answers[0])
        } catch {
            // Its checksum is wrong; librbd does not use it either.
            guard error.code == .ioError || error.code == .invalidArgument else { throw error }
            return nil
        }
    }
}
