import CommandNames
import ExactText
import Volumes

extension VolumeReport {
    /// A volume for a person, a property a line.
    func lines(_ terminal: Terminal) -> [String] {
        let condition = volumeCondition.map { condition in
            let word = condition.abnormal ? terminal.colored("abnormal", .red) : terminal.colored("well", .green)
            return "\(word): \(condition.message)"
        }
        let lines: [(heading: String, value: String?)] = [
            ("NAME", name),
            ("SIZE", sizeText),
            ("FILE SYSTEM", fileSystemText),
            ("USED BY", usedBy.isEmpty ? nil : usedBy.map(\.text).joined(separator: ",")),
            ("POOL", place),
            ("CLAIM", claim),
            ("CREATED", created),
            ("MADE FROM", source),
            ("CONDITION", condition),
            ("IMAGE", "\(place)/\(image)"),
            ("VOLUME ID", volumeId),
        ]
        return lines.compactMap { heading, value in
            value.map { value in
                let gap = String(repeating: " ", count: 13 - heading.count)
                // The condition has colours, and its words are Nacre's own.
                return terminal.colored(heading, .bold) + gap + (heading == "CONDITION" ? value : value.onOneLine)
            }
        }
    }

    /// Many volumes for a person, a volume a line.
    static func table(_ reports: [VolumeReport], isWide: Bool, _ terminal: Terminal) -> [String] {
        var table =
            isWide
            ? Table("NAME", "SIZE", "USED-BY", "POOL", "AGE", "FS", "CLAIM", "VOLUME-ID")
            : Table("NAME", "SIZE", "USED-BY", "POOL", "AGE")
        table.rows = reports.map { report in
            let row = [
                // An image of another program has no volume name; its image name is used.
                (report.name ?? report.image).onOneLine, report.sizeText, report.usersText,
                report.place, "\(report.age)",
            ]
            return isWide ? row + [report.fileSystem ?? "-", report.claim ?? "-", report.volumeId] : row
        }
        return table.lines { terminal.colored($0, .bold) }
    }

    /// The pool, and the RADOS namespace if there is one.
    private var place: String { namespace.isEmpty ? pool : "\(pool)/\(namespace)" }

    /// Nobody knows the size of an image that has lost its header or its name, or was never finished.
    private var sizeText: String { capacityBytes == 0 ? "unknown" : capacityBytes.asWritten }

    private var usersText: String { usedBy.isEmpty ? "-" : usedBy.map(\.shortText).joined(separator: ",") }

    /// `xfs, 20GiB at /mnt/data: 3GiB used, 17GiB available`, or the known part of it.
    private var fileSystemText: String? {
        guard let mounted else { return fileSystem }
        let kind = fileSystem.map { "\($0), " } ?? ""
        return "\(kind)\(mounted.totalBytes.inShort) at \(mounted.path): \(mounted.usedBytes.inShort) used, "
            + "\(mounted.availableBytes.inShort) available"
    }
}
