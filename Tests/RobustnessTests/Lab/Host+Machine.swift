import Foundation
import Glibc
import Synchronization

extension Host {
    /// Where other machines reach it.
    var address: String { "10.77.0.\(number + 10)" }

    /// Sets its clock off the right time; what counts from the machine's start keeps.
    ///
    /// Programs see it within a second: libfaketime looks no oftener.
    func setClock(offBy hours: Int) throws {
        let seconds = hours * 3600
        try "\(seconds < 0 ? "" : "+")\(seconds)\n"
            .write(toFile: "\(directory)/clock/offset", atomically: true, encoding: .utf8)
    }

    /// Makes what it sends to these machines go nowhere, or go again; it hears from them as before.
    func mute(_ isMute: Bool, towards addresses: [String]) async throws {
        let change = isMute ? "replace" : "del"
        _ = try await inside("for a in \(addresses.joined(separator: " ")); do ip route \(change) unreachable $a; done")
    }

    /// Puts a program in its place, with the words that it is started with beside those that all have.
    func install(_ version: Int, _ settings: String) throws {
        let place = "\(directory)/program-\(version)"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        guard Glibc.link(lab.program, "\(place)/nacre") == 0 || errno == EEXIST else {
            throw CocoaError(.fileWriteUnknown)
        }
        try "\(settings)\n".write(toFile: "\(directory)/settings", atomically: true, encoding: .utf8)
        try "\(place)/nacre\n".write(toFile: "\(directory)/program", atomically: true, encoding: .utf8)
    }

    /// Has another program of other settings take the service over, as when an agent's container is replaced.
    ///
    /// What serves images goes on, and the file that it runs from is gone.
    func upgrade() async throws {
        let version = upgrades.add(1, ordering: .relaxed).newValue
        let isOdd = !version.isMultiple(of: 2)
        try install(version, isOdd ? "--log-level debug --ceph-threads 8" : Self.settings)
        Self.kill(processes(.service))
        try? FileManager.default.removeItem(atPath: "\(directory)/program-\(version - 1)")
    }

    /// What its service is told beside what all are told.
    static let settings = "--log-level info"
}
