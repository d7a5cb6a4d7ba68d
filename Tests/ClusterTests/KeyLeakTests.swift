import Curl
import Foundation
import Secrets
import TestSupport
import Testing

/// Keys of both types in every place that the program reads, and a search of everything that it says and writes.
@Suite("Keys where they do not belong", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct KeyLeakTests {
    @Test("The service shows a key in no answer, no line of its log and no file, whichever field it came in")
    func service() async throws {
        let cluster = try #require(MicroCluster.current)
        let nacre = try NacreProcess(cluster)
        let process = try await nacre.start(["--log-level", "trace", "--node-id", "n"])
        let clusterID = try cluster.clusterID
        var asked = 0
        for key in RecordedKey.eachType {
            for call in EveryField.calls {
                let body = call.body.replacing("\"c1\"", with: "\"\(clusterID)\"").replacing(
                    "c1/",
                    with: "\(clusterID)/"
                )
                for (place, changed) in EveryField.bodies(body, with: key) {
                    let answer = try await nacre.ask(call.method, changed, timeout: .seconds(2))
                    asked += 1
                    #expect(
                        !RecordedKey.isLeaked(key, in: Array(answer.body.utf8)),
                        "\(call.method)\(place): \(answer.body)"
                    )
                }
            }
            for page in ["/metrics", "/healthz"] {
                let body = try await nacre.get(page).body
                #expect(!RecordedKey.isLeaked(key, in: body), "\(page)")
            }
        }
        #expect(asked > 200)
        #expect(try await process.stop() == .exited(0))
        #expect(nacre.log.utf8.count > 1000, "the search must have something to search")
        for path in try FileManager.default.subpathsOfDirectory(atPath: nacre.directory) {
            let bytes = Array(FileManager.default.contents(atPath: "\(nacre.directory)/\(path)") ?? Data())
            for key in RecordedKey.eachType { #expect(!RecordedKey.isLeaked(key, in: bytes), "\(path)") }
        }
    }

    @Test("No command shows a key that it was given by any flag or argument, with the service or without")
    func flags() async throws {
        let cluster = try #require(MicroCluster.current)
        let command = NacreCommand(try NacreProcess(cluster), cluster: cluster)
        let help = try await command(["--experimental-dump-help"]).output
        let document = try #require(try JSONSerialization.jsonObject(with: Data(help.utf8)) as? [String: Any])
        let uses = Self.uses(try #require(document["command"] as? [String: Any]), [])
        #expect(uses.count > 60, "the sweep must have something to sweep")
        for (index, words) in uses.enumerated() {
            let key = RecordedKey.eachType[index % 2]
            let outcome = try await command(words.map { $0 == "KEY" ? key : $0 })
            #expect(outcome.status == 64, "\(words): \(outcome)")
            #expect(!RecordedKey.isLeaked(key, in: Array(outcome.description.utf8)), "\(words): \(outcome)")
        }
        for key in RecordedKey.eachType {
            for words in [["volume", "creat", key], [key], ["volume", "list", "--direct", "--pool=\(key)"]] {
                let outcome = try await command(words)
                #expect(
                    outcome.status == 64 && !RecordedKey.isLeaked(key, in: Array(outcome.description.utf8)),
                    "\(outcome)"
                )
            }
        }
    }

    @Test("With --direct no key is shown that came as a user, in a config.json or by a variable")
    func direct() async throws {
        let cluster = try #require(MicroCluster.current)
        let nacre = try NacreProcess(cluster)
        let clusterID = try cluster.clusterID
        let list = ["volume", "list", "--direct", "--timeout", "5s"]
        for key in RecordedKey.eachType {
            // Every form is searched for in SecretsTests; here a few go through the whole program.
            for (how, text) in RecordedKey.pasted(key).enumerated().filter({ $0.offset % 5 == 0 }).map(\.element) {
                var command = NacreCommand(nacre, cluster: cluster)
                command.environment["NACRE_SECRET_DIR"] = try secret(nacre, userID: text, userKey: "nacre")
                let swapped = try await command(list)
                #expect(swapped.status != 0, "\(how): \(swapped)")
                #expect(!RecordedKey.isLeaked(key, in: Array(swapped.description.utf8)), "\(how): \(swapped)")
                command.environment["NACRE_SECRET_DIR"] = try secret(nacre, userID: "nacre", userKey: text)
                let wrong = try await command(list)
                #expect(
                    wrong.status != 0 && !RecordedKey.isLeaked(key, in: Array(wrong.description.utf8)),
                    "\(how): \(wrong)"
                )
            }
            for (place, config) in EveryField.bodies(
                #"[{"clusterID":"\#(clusterID)","monitors":["127.0.0.1:1"],"rbd":{"radosNamespace":"n"}}]"#,
                with: key
            ) {
                var command = NacreCommand(nacre, cluster: cluster)
                let path = "\(nacre.directory)/config-\(UInt32.random(in: 0...UInt32.max)).json"
                try config.write(toFile: path, atomically: true, encoding: .utf8)
                defer { try? FileManager.default.removeItem(atPath: path) }
                command.environment["NACRE_CONFIG"] = path
                let outcome = try await command(list)
                #expect(!RecordedKey.isLeaked(key, in: Array(outcome.description.utf8)), "\(place): \(outcome)")
            }
            for name in ["NACRE_SOCKET", "NACRE_CONFIG", "NACRE_SECRET_DIR", "NACRE_STATE_DIR", "NACRE_RUN_DIR"] {
                for words in [list, ["volume", "list", "--timeout", "5s"], ["volume", "list", "--help"]] {
                    var command = NacreCommand(nacre, cluster: cluster)
                    command.environment[name] = key
                    let outcome = try await command(words)
                    #expect(!RecordedKey.isLeaked(key, in: Array(outcome.description.utf8)), "\(name): \(outcome)")
                }
            }
        }
    }

    @Test("A key of type aes256k that this librados does not know is named as the cause, with the way out")
    func unknownType() async throws {
        let cluster = try #require(MicroCluster.current)
        let nacre = try NacreProcess(cluster)
        var command = NacreCommand(nacre, cluster: cluster)
        let user = try cluster.provisioner.userID
        command.environment["NACRE_SECRET_DIR"] = try secret(nacre, userID: user, userKey: RecordedKey.aes256k[0])
        let outcome = try await command(["volume", "list", "--direct", "--timeout", "60s"])
        #expect(outcome.status == 77, "\(outcome)")
        // A librados that knows the type asks the monitors, and they know no such key.
        guard !outcome.notes.contains("its monitors refuse the user") else { return }
        for words in [
            "of type aes256k", "20.2.4", "auth_allowed_ciphers", "ceph auth rotate client.\(user) --key-type aes",
        ] {
            #expect(outcome.notes.contains(words), "\(outcome)")
        }
    }

    private func secret(_ nacre: NacreProcess, userID: String, userKey: String) throws -> String {
        let directory = "\(nacre.directory)/secret"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try userID.write(toFile: "\(directory)/userID", atomically: true, encoding: .utf8)
        try userKey.write(toFile: "\(directory)/userKey", atomically: true, encoding: .utf8)
        return directory
    }

    /// Each flag and each argument of each command, with `KEY` for its value.
    private static func uses(_ command: [String: Any], _ path: [String]) -> [[String]] {
        let arguments = command["arguments"] as? [[String: Any]] ?? []
        var uses: [[String]] = []
        for argument in arguments {
            switch argument["kind"] as? String {
            case "positional": uses.append(path + ["KEY"])
            case "option":
                let name = (argument["preferredName"] as? [String: Any])?["name"] as? String ?? ""
                uses.append(path + [name.count == 1 ? "-\(name)" : "--\(name)", "KEY"])
            default: break
            }
        }
        for sub in command["subcommands"] as? [[String: Any]] ?? [] {
            uses += Self.uses(sub, path + [sub["commandName"] as? String ?? ""])
        }
        return uses
    }
}
