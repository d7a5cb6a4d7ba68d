public import RADOS

extension IOContext {
    /// The name of a data object of an image that has no header; `nil` if none is found.
    ///
    /// A maker that was killed leaves no data, so whose header is missing beside data has lost it. The object map tells of
    /// all data, also in another pool. Without one, the first 64 objects in this pool are asked for: every file system
    /// begins in the first.
    public func dataObject(ofHeaderless id: String) async throws(RBDError) -> String? {
        let mapped = try await objectMap(ofID: id)?.existing(from: 0, limit: 1).first
        if let mapped { return Self.dataObject(ofID: id, mapped) }
        for number in 0..<UInt64(64) {
            let object = Self.dataObject(ofID: id, number)
            do throws(RADOSError) {
                if try await sizeBytes(of: object) != nil { return object }
            } catch {
                throw RBDError(error)
            }
        }
        return nil
    }

    private static func dataObject(ofID id: String, _ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return "rbd_data.\(id).\(String(repeating: "0", count: max(0, 16 - digits.count)))\(digits)"
    }
}
