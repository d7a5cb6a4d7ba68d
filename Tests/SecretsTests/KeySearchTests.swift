import Foundation
import TestSupport
import Testing

@testable import Secrets

@Suite("Keys in texts")
struct KeySearchTests {
    @Test("A key is found and masked however it was pasted, and nothing of its secret part is left")
    func finds() {
        for key in RecordedKey.all {
            for (how, text) in RecordedKey.pasted(key) {
                #expect(CephKey.isIn(text), "\(how)")
                let masked = CephKey.masked("volume '\(text)' is not there")
                #expect(!RecordedKey.isLeaked(key, in: Array(masked.utf8)), "\(how): \(masked)")
                #expect(masked.hasPrefix("volume '"), "\(how): \(masked)")
                // The search for leaks can find one.
                #expect(RecordedKey.isLeaked(key, in: Array(text.utf8)), "\(how)")
            }
        }
    }

    @Test("A key is found that was encoded once or twice more, as Kubernetes does, and escaped as JSON does")
    func findsEncoded() {
        for key in RecordedKey.all {
            let once = Data(key.utf8).base64EncodedString()
            let keyring = Data("[client.nacre]\n\tkey = \(key)\n".utf8).base64EncodedString()
            let twice = Data(once.utf8).base64EncodedString()
            let escaped = key.replacing("/", with: "\\/").replacing("+", with: "%2b")
            let broken = "\(key.prefix(22))\\n\(key.dropFirst(22))"
            for text in [once, keyring, twice, escaped, broken, "\(key.prefix(21))\u{FFFD}\(key.dropFirst(21))"] {
                let masked = CephKey.masked("cannot read \(text), which is odd")
                #expect(masked.contains(CephKey.mask) && masked.hasSuffix(", which is odd"), "\(masked)")
                #expect(!RecordedKey.isLeaked(key, in: Array(masked.utf8)), "\(masked)")
                #expect(
                    !masked.contains(once.dropFirst(24).prefix(10)) && !masked.contains(twice.dropFirst(32).prefix(10))
                )
            }
        }
    }

    @Test("A key in the alphabet for addresses is a key, to be masked and to be used")
    func findsForAddresses() {
        for key in RecordedKey.all {
            let other = key.replacing("+", with: "-").replacing("/", with: "_")
            #expect(CephKey.kind(of: Secret(other)) == CephKey.kind(of: Secret(key)), "\(other)")
            let once = Data(other.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            for text in [other, once, String(other.prefix { $0 != "=" }), "a-\(other)", "pvc_\(other)-x", "\(other)_"] {
                #expect(CephKey.isIn(text), "\(text)")
                let masked = CephKey.masked("volume '\(text)' is not there")
                #expect(masked.contains(CephKey.mask) && masked.hasPrefix("volume '"), "\(masked)")
                #expect(!masked.contains(other.dropFirst(20).prefix(8)), "\(masked)")
                #expect(!masked.contains(once.dropFirst(28).prefix(8)), "\(masked)")
            }
        }
    }

    @Test("What is around a key stays, and two keys are two")
    func masksAlone() {
        let (old, new) = (RecordedKey.aes[0], RecordedKey.aes256k[0])
        #expect(CephKey.masked("a '\(old)' b '\(new)', c") == "a '<redacted>' b '<redacted>', c")
        #expect(CephKey.masked("key=\(new);user=x") == "key=<redacted>;user=x")
    }

    @Test(
        "What is no key stays as it is",
        arguments: [
            "", "csi-rbd-provisioner.3", "0123456789abcdef0123456789abcdef01234567", "AQUARIUMsForEverybodyOnTheRack",
            "c1/replicapool//csi-vol-4ad7ae4e-9d0c-4f6d-9a7a-5a6d9e3c1b2f", "/var/lib/kubelet/pods/AQAAAA/volumes",
            "cannot connect to cluster 'c1' as client.node: no monitor answers at 10.0.0.1:6789 (rados_connect: ETIMEDOUT)",
            // A type that nobody knows, lengths that do not fit, nanoseconds that are more than a second.
            "AwDp0AxrizoxFCAAalTATMVJRpzESGcP/ZxdrEK0j8RQ5AHob/qpk1vX3JY",
            "AQDp0AxrizoxFCAAalTATMVJRpzESGcPZxdrEK0j8RQ",
            "AQCc0Axr////fxAAJ/gxItdgxUha4QcIiSjZ/Q",
        ]
    )
    func leavesOthers(_ text: String) {
        #expect(!CephKey.isIn(text))
        #expect(CephKey.masked(text) == text)
    }

    @Test("Keys of both releases are told by what is in them")
    func kinds() {
        for key in RecordedKey.aes + [RecordedKey.aesOfTentacle] { #expect(CephKey.kind(of: Secret(key)) == .aes) }
        for key in RecordedKey.aes256k { #expect(CephKey.kind(of: Secret(key)) == .aes256k) }
    }

    @Test("A key in userKey is read as Ceph printed it, wrapped or without padding; more than a key is refused")
    func readsKeys() throws {
        for key in RecordedKey.all {
            for (how, text) in RecordedKey.pasted(key)
            where [
                "as it is", "with a line's end", "with white space around", "in two lines", "in two words",
                "in lines of ten", "without padding",
            ].contains(how) {
                let read = try Credentials(userID: Secret("node"), userKey: Secret(text))
                #expect(read.userKey == Secret(key), "\(how)")
            }
            for (how, text) in RecordedKey.pasted(key) where how == "a keyring" || how == "in a sentence" {
                #expect {
                    _ = try Credentials(userID: Secret("node"), userKey: Secret(text))
                } throws: { error in
                    let words = "\(error)"
                    return words.contains("ceph auth get-key") && !RecordedKey.isLeaked(key, in: Array(words.utf8))
                }
            }
            for (how, text) in RecordedKey.pasted(key) {
                #expect("\(how)") {
                    _ = try Credentials(userID: Secret(text), userKey: Secret(key))
                } throws: { !RecordedKey.isLeaked(key, in: Array("\($0)".utf8)) }
            }
        }
    }

    @Test("A key among a command's words is named by its place, and not shown")
    func arguments() throws {
        #expect(GivenKey.fault(in: ["volume", "create", "data", "--pool", "replicapool", "--size", "10GiB"]) == nil)
        for key in RecordedKey.eachType {
            for (how, text) in RecordedKey.pasted(key) {
                let fault = try #require(GivenKey.fault(in: ["volume", "create", "--pool", text]), "\(how)")
                #expect(fault.hasPrefix("what follows --pool holds a cephx key"), "\(how): \(fault)")
                #expect(!RecordedKey.isLeaked(key, in: Array(fault.utf8)), "\(how): \(fault)")
            }
            let first = try #require(GivenKey.fault(in: ["volume", "show", key]))
            #expect(first.hasPrefix("argument 3 holds"), "\(first)")
            let glued = try #require(GivenKey.fault(in: ["volume", "--pool=\(key)"]))
            #expect(!RecordedKey.isLeaked(key, in: Array(glued.utf8)), "\(glued)")
            let split = try #require(GivenKey.fault(in: ["show", String(key.prefix(22)), String(key.dropFirst(22))]))
            #expect(!RecordedKey.isLeaked(key, in: Array(split.utf8)), "\(split)")
        }
    }
}
