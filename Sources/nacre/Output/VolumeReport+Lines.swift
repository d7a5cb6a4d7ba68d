import Volumes

extension VolumeReport {
    /// A volume for a person, a property a line.
    static func lines(_ volume: Volume, condition: VolumeCondition? = nil, terminal: Terminal) -> [String] {
        var lines = [
            ("VOLUME ID", "\(volume.id)"),
            ("IMAGE", volume.id.imageSpec),
            ("SIZE", size(volume.capacityBytes)),
        ]
        if let condition {
            let word = condition.isAbnormal ? terminal.colored("abnormal", .red) : terminal.colored("well", .green)
            lines.append(("CONDITION", "\(word): \(condition.message)"))
        }
        return lines.map { heading, value in
            terminal.colored(heading, .bold) + String(repeating: " ", count: 11 - heading.count) + value
        }
    }

    /// A size for a person, and exactly.
    static func size(_ bytes: UInt64) -> String {
        let short = bytes.inBinaryUnits
        return short.hasSuffix("bytes") ? short : "\(short) (\(bytes) bytes)"
    }
}
