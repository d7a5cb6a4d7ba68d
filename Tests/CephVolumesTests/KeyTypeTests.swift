import CephVolumes
import Foundation
import RADOS
import Secrets
import SystemPackage
import TestSupport
import Testing
import Volumes

@Suite("Types of keys")
struct KeyTypeTests {
    private func error(_ code: Errno, _ key: String) -> (fault: String?, refusal: String?) {
        let credentials = Credentials(userID: "node", userKey: Secret(key))
        let error = RADOSError(call: "rados_connect", code: code, subject: "client.node")
        return (error.fault(inKeyOf: credentials), RADOSError.refusal(ofKeyTypeOf: credentials))
    }

    @Test("A failed connection is laid to the key where librados did not decode it, and only there")
    func decides() throws {
        for code in [Errno.invalidArgument, .notSupported] {
            let fault = try #require(error(code, RecordedKey.aes256k[0]).fault)
            for words in ["aes256k", "Ceph 20.2.4", "ceph mon set auth_allowed_ciphers aes,aes256k", "--key-type aes"] {
                #expect(fault.contains(words), "\(fault)")
            }
            #expect(try #require(error(code, "no key").fault).contains("'ceph auth get-key client.node'"))
            #expect(error(code, RecordedKey.aes[0]).fault == nil)
        }
        for key in RecordedKey.eachType {
            for code in [Errno.permissionDenied, .timedOut, .noSuchFileOrDirectory] {
                #expect(error(code, key).fault == nil)
            }
        }
        // librados of 20.2.4 passes over what is no key.
        #expect(try #require(error(.noSuchFileOrDirectory, "no key").fault).contains("is no cephx key"))
        #expect(try #require(error(.timedOut, RecordedKey.aes[0]).refusal).contains("auth_allowed_ciphers"))
        #expect(error(.timedOut, RecordedKey.aes256k[0]).refusal == nil)
    }

    @Test("librados itself says that it does not know a key's type, before it asks a monitor; the cause is named")
    func asksLibrados() async throws {
        let path = "/tmp/nacre-keytype-\(UInt32.random(in: 0...UInt32.max)).json"
        // Nobody listens there: who gets as far as that has to wait.
        try #"[{"clusterID":"c1","monitors":["127.0.0.1:1"]}]"#.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let connections = ClusterConnections(
            configuration: ClusterConfiguration(path: path),
            options: ["client_mount_timeout": "2"]
        )
        func failure(_ key: String) async -> VolumeError? {
            do throws(VolumeError) {
                _ = try await connections.link(to: "c1", as: Credentials(userID: "node", userKey: Secret(key)))
                return nil
            } catch {
                return error
            }
        }
        let old = await failure(RecordedKey.aes[0])
        #expect(
            old?.code == .unavailable && old?.message.contains("auth_allowed_ciphers") == true,
            "\(old?.message ?? "")"
        )
        for key in RecordedKey.aes256k {
            let new = try #require(await failure(key))
            #expect(!RecordedKey.isLeaked(key, in: Array(new.message.utf8)))
            // A librados of 20.2.4 or later gets as far as the monitors.
            guard new.code != .unavailable else { continue }
            #expect(new.code == .unauthenticated, "\(new.message)")
            #expect(
                new.message.contains("client.node: its key is of type aes256k, which the librados"),
                "\(new.message)"
            )
        }
    }
}
