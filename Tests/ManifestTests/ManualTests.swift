import ArgumentParser
import BlockDevices
import Foundation
import Testing
import VolumeAPI
import Volumes

@testable import nacre

/// Compares tables and commands of the manual with the code; `tools/manual` compares what needs no program.
@Suite("The manual")
struct ManualTests {
    /// The cells of a page's table rows, without code marks.
    private func rows(_ page: String) throws -> [[String]] {
        try String(contentsOf: Manifests.manual(page), encoding: .utf8).split(separator: "\n")
            .filter { $0.hasPrefix("| ") }
            .map { line in
                line.split(separator: "|").map { $0.trimmingCharacters(in: ["`", " "]) }
            }
    }

    @Test("Exit codes and their meanings are those of the program")
    func exitCodes() throws {
        let told = Set(try rows("ExitCodes").filter { $0.count == 2 }.map { "\($0[0]) \($0[1])" })
        for status in ExitStatus.allCases {
            #expect(told.contains("\(status.rawValue) \(status.meaning)"), "\(status.rawValue) \(status.meaning)")
        }
        for line in ExitStatus.table.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            #expect(told.contains(words.joined(separator: " ")), "\(line)")
        }
    }

    @Test("Each code of the service has its HTTP status and its exit code")
    func codes() throws {
        let told = Dictionary(
            try rows("ExitCodes").filter { $0.count == 3 && Int($0[1]) != nil }.map { ($0[0], [$0[1], $0[2]]) },
            uniquingKeysWith: { one, _ in one }
        )
        #expect(told.count == ConnectError.Code.allCases.count)
        for code in ConnectError.Code.allCases {
            let expected = ["\(code.httpStatus)", "\(ExitStatus(VolumeError.Code(code)).rawValue)"]
            #expect(told[code.rawValue] == expected, "\(code.rawValue)")
        }
    }

    @Test("Every `nacre` command in a code block is one that the program takes")
    func commands() throws {
        let folder = Manifests.manual("Nacre").deletingLastPathComponent()
        var count = 0
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            let text = try String(contentsOf: file, encoding: .utf8)
            for block in text.components(separatedBy: "```").enumerated() where block.offset % 2 == 1 {
                for line in block.element.split(separator: "\n") {
                    let words = line.split(separator: " ").map(String.init)
                    guard words.first == "nacre" else { continue }
                    count += 1
                    #expect(throws: Never.self, "\(file.lastPathComponent): \(line)") {
                        try Nacre.parseAsRoot(Array(words.dropFirst()))
                    }
                }
            }
        }
        #expect(count > 10)
    }

    @Test("The table of marks has every format of the catalogue, in its order, with its use")
    func marks() throws {
        let told = try rows("DiskMarks").filter { $0.count == 5 && $0[0] != "format" && $0[0] != "---" }
        #expect(told.map { $0[0] } == FormatCatalog.formats.map(\.name))
        let uses: [Format.Usage: String] = [
            .ceph: "Ceph", .fileSystem: "file system", .raid: "RAID", .crypto: "encryption",
            .partitionTable: "partition table", .other: "other",
        ]
        #expect(told.map { $0[1] } == FormatCatalog.formats.map { uses[$0.usage] })
    }
}
