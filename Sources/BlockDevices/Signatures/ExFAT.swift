/// exFAT: its jump and name, 53 zeros, and sizes within the specification's ranges.
///
/// See: Microsoft's exFAT specification §3.1.
extension Format {
    static let exFAT = Format("exfat", .fileSystem, Magic("EXFAT   ", at: 3), Magic([0x55, 0xAA], at: 510)) { device in
        let head = device.bytes(0, 512)
        guard head.count == 512, head.starts(with: [0xEB, 0x76, 0x90]), head.holds("EXFAT   ", at: 3),
            head[11..<64].allSatisfy({ $0 == 0 }), let table = head.little(UInt32.self, at: 80),
            let heap = head.little(UInt32.self, at: 88), let root = head.little(UInt32.self, at: 96)
        else { return false }
        return (1...2).contains(head[110]) && (9...12).contains(head[108]) && head[109] <= 25 - head[108] && table >= 24
            && heap >= table && root >= 2
    }
}
