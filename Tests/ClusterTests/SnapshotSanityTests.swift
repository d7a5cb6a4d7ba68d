import Foundation
import Synchronization
import TestSupport
import Testing

/// The assertions of csi-sanity on snapshots and on volumes with a content source, over the socket and on Ceph.
///
/// CSI: csi-test, pkg/sanity.
@Suite(
    "Sanity of snapshots over the socket",
    .serialized,
    .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack))
)
struct SnapshotSanityTests {
    /// Runs `body` with its own service and a volume.
    private func withVolume(_ body: (SanityDriver, String) async throws -> Void) async throws {
        let cluster = try #require(MicroCluster.current)
        let nacre = try NacreProcess(cluster)
        let process = try await nacre.start()
        let driver = SanityDriver(nacre: nacre, cluster: cluster)
        let made = try await driver.create("source")
        #expect(made.isOK, "\(made)")
        try await body(driver, made.text("volume", "volumeId"))
        for id in driver.made.withLock({ $0 }) {
            let deleted = try await driver.delete(id)
            #expect(deleted.isOK, "\(deleted)")
        }
        #expect(try await process.stop() == .exited(0))
    }

    private func take(_ name: String?, of source: String?, _ driver: SanityDriver) async throws -> Answer {
        var members = [#""secrets":\#(try driver.nacre.secrets())"#]
        if let name { members.append(#""name":"\#(driver.prefix)-\#(name)""#) }
        if let source { members.append(#""sourceVolumeId":"\#(source)""#) }
        return try await driver.call("Controller/CreateSnapshot", "{\(members.joined(separator: ","))}")
    }

    private func remove(_ id: String, _ driver: SanityDriver) async throws -> Answer {
        let secrets = try driver.nacre.secrets()
        return try await driver.call("Controller/DeleteSnapshot", #"{"snapshotId":"\#(id)","secrets":\#(secrets)}"#)
    }

    @Test("CreateSnapshot: without a name or a source: invalid argument; of an unknown volume: not found")
    func missing() async throws {
        try await withVolume { (driver: SanityDriver, source: String) async throws in
            #expect(try await take(nil, of: source, driver).code == "invalid_argument")
            #expect(try await take("s", of: nil, driver).code == "invalid_argument")
            #expect(try await take("s", of: "\(source.dropLast())0x", driver).code == "not_found")
            #expect(try await driver.call("Controller/DeleteSnapshot", "{}").code == "invalid_argument")
            #expect(try await driver.call("Controller/GetSnapshot", "{}").code == "invalid_argument")
        }
    }

    @Test("CreateSnapshot: again it is the same, with another source it already exists; a name of 128 bytes will do")
    func repeated() async throws {
        try await withVolume { driver, source in
            let first = try await take("s", of: source, driver)
            #expect(first.isOK && first.body.contains(#""readyToUse":true"#), "\(first)")
            #expect(first.text("snapshot", "sourceVolumeId") == source)
            let again = try await take("s", of: source, driver)
            #expect(again.body == first.body, "\(again)")
            let other = try await driver.create("other").text("volume", "volumeId")
            let refused = try await take("s", of: other, driver)
            #expect(refused.code == "already_exists", "\(refused)")
            let long = try await take(driver.name("n", length: 128 - driver.prefix.utf8.count - 1), of: source, driver)
            #expect(long.isOK, "\(long)")
            let tooLong = try await take(driver.name("n", length: 128), of: source, driver)
            #expect(tooLong.code == "invalid_argument", "\(tooLong)")
            for answer in [first, long] {
                for _ in 0..<2 { #expect(try await remove(answer.text("snapshot", "snapshotId"), driver).isOK) }
            }
            #expect(try await remove("no-such-snapshot", driver).isOK)
        }
    }

    @Test("ListSnapshots and GetSnapshot: by id, by source, in pages; unknown: empty, or not found; bad token: aborted")
    func list() async throws {
        try await withVolume { driver, source in
            var made: [String] = []
            for name in ["a", "b", "c"] {
                made.append(try await take(name, of: source, driver).text("snapshot", "snapshotId"))
            }
            let one = try await driver.call("Controller/ListSnapshots", #"{"snapshotId":"\#(made[0])"}"#)
            #expect(one.list("entries").map { $0.text("snapshot", "snapshotId") } == [made[0]], "\(one)")
            var found: [String] = []
            var token = ""
            repeat {
                let page = try await driver.call(
                    "Controller/ListSnapshots",
                    #"{"sourceVolumeId":"\#(source)","maxEntries":1,"startingToken":"\#(token)"}"#
                )
                #expect(page.isOK && page.list("entries").count <= 1, "\(page)")
                found += page.list("entries").map { $0.text("snapshot", "snapshotId") }
                token = page.text("nextToken")
            } while !token.isEmpty
            #expect(Set(found) == Set(made) && found.count == 3)
            let all = try await driver.call("Controller/ListSnapshots", "{}")
            #expect(made.allSatisfy { all.body.contains($0) }, "\(all)")
            for filter in [#"{"snapshotId":"none"}"#, #"{"sourceVolumeId":"none"}"#] {
                let none = try await driver.call("Controller/ListSnapshots", filter)
                #expect(none.isOK && none.list("entries").isEmpty, "\(none)")
            }
            let bad = try await driver.call("Controller/ListSnapshots", #"{"startingToken":"none"}"#)
            #expect(bad.code == "aborted", "\(bad)")
            #expect(try await driver.call("Controller/GetSnapshot", #"{"snapshotId":"\#(made[1])"}"#).isOK)
            for id in made { #expect(try await remove(id, driver).isOK) }
            let gone = try await driver.call("Controller/GetSnapshot", #"{"snapshotId":"\#(made[1])"}"#)
            #expect(gone.code == "not_found", "\(gone)")
        }
    }

    @Test("CreateVolume: from a snapshot and from a volume, with the source in the answer; an unknown one: not found")
    func sources() async throws {
        try await withVolume { driver, source in
            let snapshot = try await take("s", of: source, driver).text("snapshot", "snapshotId")
            for (name, content) in [
                ("c", #"{"snapshot":{"snapshotId":"\#(snapshot)"}}"#), ("d", #"{"volume":{"volumeId":"\#(source)"}}"#),
            ] {
                let first = try await driver.create(name, changing: "volumeContentSource", to: content)
                #expect(first.isOK && first.body.contains(#""contentSource":\#(content)"#), "\(first)")
                let again = try await driver.create(name, changing: "volumeContentSource", to: content)
                #expect(again.body == first.body, "\(again)")
            }
            for content in [#"{"snapshot":{"snapshotId":"none"}}"#, #"{"volume":{"volumeId":"none"}}"#] {
                let none = try await driver.create("e", changing: "volumeContentSource", to: content)
                #expect(none.code == "not_found", "\(none)")
            }
            // The source first, then what was made of it.
            #expect(try await driver.delete(source).isOK)
            #expect(try await remove(snapshot, driver).isOK)
        }
    }
}
