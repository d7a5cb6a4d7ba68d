import Foundation
import Synchronization
import TestSupport
import Testing

/// The assertions of csi-sanity on Identity and Controller, over the socket and on Ceph.
///
/// CSI: csi-test, pkg/sanity.
@Suite("Sanity over the socket", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct SocketSanityTests {
    /// Runs `body` with its own service.
    private func withDriver(_ body: (SanityDriver) async throws -> Void) async throws {
        let cluster = try #require(MicroCluster.current)
        let nacre = try NacreProcess(cluster)
        let process = try await nacre.start()
        let driver = SanityDriver(nacre: nacre, cluster: cluster)
        try await body(driver)
        for id in driver.made.withLock({ $0 }) { _ = try await driver.delete(id) }
        #expect(try await process.stop() == .exited(0))
    }

    @Test("Identity: the plugin has a name in domain notation, a version, capabilities, and is ready")
    func identity() async throws {
        try await withDriver { driver in
            let info = try await driver.call("Identity/GetPluginInfo", "{}")
            #expect(info.text("name").wholeMatch(of: /[a-z0-9]([-.a-z0-9]*[a-z0-9])?/) != nil, "\(info)")
            #expect(info.text("name").utf8.count <= 63 && !info.text("vendorVersion").isEmpty, "\(info)")
            let capabilities = try await driver.call("Identity/GetPluginCapabilities", "{}").list("capabilities")
            #expect(capabilities.contains { $0.text("service", "type") == "CONTROLLER_SERVICE" })
            #expect(
                capabilities.allSatisfy {
                    !$0.text("service", "type").isEmpty || !$0.text("volumeExpansion", "type").isEmpty
                }
            )
            let probe = try await driver.call("Identity/Probe", "{}")
            #expect(probe.isOK && probe.body.contains("true"), "\(probe)")
        }
    }

    @Test("Controller: every capability announced is one that CSI knows, and has its calls")
    func capabilities() async throws {
        try await withDriver { driver in
            let types = try await driver.call("Controller/ControllerGetCapabilities", "{}").list("capabilities")
                .map { $0.text("rpc", "type") }
            #expect(Set(types).count == types.count && !types.isEmpty)
            for wanted in ["CREATE_DELETE_VOLUME", "EXPAND_VOLUME", "LIST_VOLUMES", "GET_CAPACITY"] {
                #expect(types.contains(wanted), "\(types)")
            }
            if !types.contains("PUBLISH_UNPUBLISH_VOLUME") {
                let publish = try await driver.call("Controller/ControllerPublishVolume", "{}")
                #expect(publish.code == "unimplemented", "\(publish)")
            }
        }
    }

    @Test("GetCapacity answers without parameters, and with them")
    func capacity() async throws {
        try await withDriver { driver in
            for body in ["{}", #"{"parameters":\#(try driver.parameters())}"#] {
                let answer = try await driver.call("Controller/GetCapacity", body)
                #expect(answer.isOK && (Int64(answer.text("availableCapacity")) ?? -1) > 0, "\(answer)")
            }
        }
    }

    @Test("CreateVolume: without a name, without capabilities, with empty ones: invalid argument")
    func createMissing() async throws {
        try await withDriver { driver in
            for (part, value) in [("name", nil), ("volumeCapabilities", nil), ("volumeCapabilities", "[]")]
                as [(String, String?)]
            {
                let answer = try await driver.create("missing", changing: part, to: value)
                #expect(answer.code == "invalid_argument", "\(part): \(answer)")
            }
        }
    }

    @Test("CreateVolume: a mount and a block volume, each of a single writer, get an id and the capacity asked for")
    func createSimple() async throws {
        try await withDriver { driver in
            for access in ["mount", "block"] {
                let answer = try await driver.create(
                    "simple-\(access)",
                    changing: "volumeCapabilities",
                    to: "[{\"\(access)\":{},\"accessMode\":{\"mode\":\"SINGLE_NODE_WRITER\"}}]"
                )
                #expect(answer.isOK && !answer.text("volume", "volumeId").isEmpty, "\(answer)")
                let bytes = Int64(answer.text("volume", "capacityBytes")) ?? -1
                #expect(bytes == 0 || bytes >= SanityDriver.size, "\(answer)")
            }
        }
    }

    @Test("CreateVolume: ten times the same is one volume; with another size it already exists")
    func createRepeated() async throws {
        try await withDriver { driver in
            let first = try await driver.create("again")
            for _ in 0..<10 {
                let again = try await driver.create("again")
                #expect(again.isOK && again.body == first.body, "\(again)")
            }
            let other = try await driver.create(
                "again",
                changing: "capacityRange",
                to: #"{"requiredBytes":"268435456"}"#
            )
            #expect(other.code == "already_exists", "\(other)")
            let limited = try await driver.create(
                "again",
                changing: "capacityRange",
                to: #"{"requiredBytes":"1048576","limitBytes":"2097152"}"#
            )
            #expect(limited.code == "already_exists", "\(limited)")
        }
    }

    @Test("CreateVolume: a name of 128 bytes, of every character a name may have, and not a byte more")
    func createNames() async throws {
        try await withDriver { driver in
            let longest = try await driver.create(nil, changing: "name", to: "\"\(driver.name("x", length: 128))\"")
            #expect(longest.isOK, "\(longest)")
            let longer = try await driver.create(nil, changing: "name", to: "\"\(driver.name("x", length: 129))\"")
            #expect(longer.code == "invalid_argument", "\(longer)")
            let odd = try await driver.create(nil, changing: "name", to: "\"\(driver.prefix) ß/@%'$(x)日本\"")
            #expect(odd.isOK, "\(odd)")
        }
    }

    @Test("CreateVolume: a source that does not exist is not found, or not offered; it is never ignored")
    func createFromMissingSource() async throws {
        try await withDriver { driver in
            for source in [#"{"snapshot":{"snapshotId":"non-existing"}}"#, #"{"volume":{"volumeId":"non-existing"}}"#] {
                let answer = try await driver.create("source", changing: "volumeContentSource", to: source)
                #expect(!answer.isOK, "\(answer)")
                #expect(["not_found", "invalid_argument", "unimplemented"].contains(answer.code), "\(answer)")
            }
        }
    }

    @Test("DeleteVolume: no id is invalid; one that names nothing succeeds, one of ceph-csi does not; twice succeeds")
    func delete() async throws {
        try await withDriver { driver in
            let missing = try await driver.call(
                "Controller/DeleteVolume",
                #"{"secrets":\#(try driver.nacre.secrets())}"#
            )
            #expect(missing.code == "invalid_argument", "\(missing)")
            let fake = try await driver.delete("reallyfakevolumeid")
            #expect(fake.isOK, "\(fake)")
            // Its volume may exist, but Nacre must not delete it.
            let other = try await driver.delete("0001-0024-\(UUID().uuidString)-0000000000000002-\(UUID().uuidString)")
            #expect(other.code == "failed_precondition" && "\(other)".contains("ceph-csi"), "\(other)")
            let id = try await driver.create("delete").text("volume", "volumeId")
            for _ in 0..<3 { #expect(try await driver.delete(id).isOK) }
        }
    }

    @Test("ValidateVolumeCapabilities: id, capabilities, a volume that is not there, one that is")
    func validate() async throws {
        try await withDriver { driver in
            func ask(_ id: String?, _ capabilities: String?) async throws -> Answer {
                var members = [#""secrets":\#(try driver.nacre.secrets())"#]
                if let id { members.append(#""volumeId":"\#(id)""#) }
                if let capabilities { members.append(#""volumeCapabilities":\#(capabilities)"#) }
                return try await driver.call(
                    "Controller/ValidateVolumeCapabilities",
                    "{\(members.joined(separator: ","))}"
                )
            }
            let id = try await driver.create("validate").text("volume", "volumeId")
            #expect(try await ask(nil, SanityDriver.capabilities).code == "invalid_argument")
            #expect(try await ask(id, nil).code == "invalid_argument")
            #expect(try await ask(id, "[]").code == "invalid_argument")
            #expect(try await ask("some-vol-id", SanityDriver.capabilities).code == "not_found")
            let gone = id.replacing(id.suffix(36), with: UUID().uuidString.lowercased())
            #expect(try await ask(gone, SanityDriver.capabilities).code == "not_found")
            let confirmed = try await ask(id, SanityDriver.capabilities)
            #expect(confirmed.isOK && confirmed.body.contains("confirmed"), "\(confirmed)")
        }
    }

    @Test("ListVolumes: a token that is not ours is aborted; pages hold every volume once, also while some come and go")
    func list() async throws {
        try await withDriver { driver in
            let bad = try await driver.call("Controller/ListVolumes", #"{"startingToken":"invalid-token"}"#)
            #expect(bad.code == "aborted", "\(bad)")
            var ids: [String] = []
            for index in 0..<5 { ids.append(try await driver.create("list\(index)").text("volume", "volumeId")) }
            var seen: [String] = []
            var token = ""
            var pages = 0
            repeat {
                let page = try await driver.call(
                    "Controller/ListVolumes",
                    #"{"maxEntries":2,"startingToken":"\#(token)"}"#
                )
                #expect(page.isOK && page.list("entries").count <= 2, "\(page)")
                seen += page.list("entries").map { $0.text("volume", "volumeId") }
                token = page.text("nextToken")
                pages += 1
                // A volume that was not listed yet may or may not appear; the others must.
                if pages == 1, let unseen = ids.last(where: { !seen.contains($0) }) {
                    #expect(try await driver.delete(unseen).isOK)
                    ids.removeAll { $0 == unseen }
                    _ = try await driver.create("list-late")
                }
            } while !token.isEmpty
            #expect(Set(seen).count == seen.count)
            #expect(Set(seen).isSuperset(of: ids))
        }
    }

    @Test("ControllerExpandVolume: no id, no range, a volume that is not there, one that is")
    func expand() async throws {
        try await withDriver { driver in
            let id = try await driver.create("expand").text("volume", "volumeId")
            let range = #"{"requiredBytes":"268435456"}"#
            let table: [(id: String?, range: String?, code: String)] = [
                (nil, range, "invalid_argument"), (id, nil, "invalid_argument"), ("some-vol-id", range, "not_found"),
            ]
            for row in table {
                #expect(try await driver.expand(row.id, row.range).code == row.code, "\(row)")
            }
            let grown = try await driver.expand(id, range)
            #expect(grown.isOK && grown.text("capacityBytes") == "268435456", "\(grown)")
        }
    }

    @Test("ControllerGetVolume: no id is invalid, a volume that is not there is not found, one that is has a condition")
    func getVolume() async throws {
        try await withDriver { driver in
            let id = try await driver.create("get").text("volume", "volumeId")
            #expect(try await driver.call("Controller/ControllerGetVolume", "{}").code == "invalid_argument")
            let missing = try await driver.call("Controller/ControllerGetVolume", #"{"volumeId":"some-vol-id"}"#)
            #expect(missing.code == "not_found", "\(missing)")
            let answer = try await driver.call("Controller/ControllerGetVolume", #"{"volumeId":"\#(id)"}"#)
            #expect(answer.text("volume", "volumeId") == id, "\(answer)")
            #expect(!answer.text("status", "volumeCondition", "message").isEmpty, "\(answer)")
        }
    }
}
