import Testing

@testable import Secrets

@Suite("Secrets")
struct SecretsTests {
    @Test("A secret shows nothing of itself, however it is printed")
    func hides() {
        let secret = Secret("AQBhunter2==")
        var dumped = ""
        dump(secret, to: &dumped)
        let credentials = Credentials(userID: "admin", userKey: secret)
        var dumpedCredentials = ""
        dump(credentials, to: &dumpedCredentials)
        for text in ["\(secret)", String(reflecting: secret), dumped, "\(credentials)", dumpedCredentials] {
            #expect(!text.contains("hunter"))
        }
    }

    @Test("Secrets are equal by their bytes")
    func compares() {
        #expect(Secret("a") == Secret([0x61]))
        #expect(Secret("a") != Secret("b"))
        #expect(Secret("a") != Secret("aa"))
        #expect(Secret("").isEmpty)
    }

    @Test("Users are equal by the bytes of their names")
    func users() {
        let key = Secret("k")
        #expect(Credentials(userID: "a", userKey: key) == Credentials(userID: "a", userKey: key))
        #expect(Credentials(userID: "caf\u{E9}", userKey: key) != Credentials(userID: "cafe\u{301}", userKey: key))
    }

    @Test("The bytes are lent, zero-terminated for C")
    func lends() {
        #expect(Secret("key").withCString { String(cString: $0) } == "key")
        #expect(Secret("key").withBytes { $0.count } == 3)
    }
}

@Suite("A ceph-csi Secret")
struct CredentialsTests {
    /// Of the form that `ceph-authtool --gen-print-key` prints.
    static let key = "AQCUcCtpwBwtHBAAF4cPwUNRkE0SBZoqkMzLLw=="
    /// Of the form that releases from 20 on print.
    static let newKey = "AgCUcCtpwBwtHCAAF4cPwUNRkE0SBZoqkMzLLxeHD8FDUZBNEgWaKpDMyy8="

    private func read(_ userID: String, _ userKey: String) throws -> Credentials {
        try Credentials(userID: Secret(userID), userKey: Secret(userKey))
    }

    @Test(
        "White space around it, and what follows the key's padding, is no part of it",
        arguments: ["", "\n", "\r\n", " ", "\t\n"],
        [key, newKey, "TOP-SECRET-KEY"]
    )
    func trims(_ end: String, _ key: String) throws {
        let wanted = Credentials(userID: "node", userKey: Secret(key))
        #expect(try read("node\(end)", "\(key)\(end)") == wanted)
        #expect(try read("\(end)node", "\(end)\(key)") == wanted)
        guard key.hasSuffix("=") else { return }
        #expect(try read("node", "\(key) # rotated\(end)") == wanted)
        #expect(try read("node", "\(key)\n\tcaps mon = \"profile rbd\"") == wanted)
    }

    @Test(
        "What names no user is refused",
        arguments: [
            ("", key, "'userID' is missing"), ("\n", key, "'userID' is missing"), ("node", "", "'userKey' is missing"),
            ("node", " \n", "'userKey' is missing"), ("client.node", key, "'client.'"), ("a\nb", key, "no name"),
            ("a b", key, "no name"), ("a,key=b", key, "no name"), ("a/b", key, "no name"), ("a\0", key, "no name"),
            (String(repeating: "a", count: 129), key, "no name"), ("node", "two words", "more than one word"),
            ("node", "a\0b", "more than one word"),
        ]
    )
    func refuses(_ userID: String, _ userKey: String, _ word: String) throws {
        #expect {
            _ = try read(userID, userKey)
        } throws: { ($0 as? CredentialsFault)?.description.contains(word) == true }
        #expect(throws: CredentialsFault.self) { _ = try Credentials(userID: nil, userKey: Secret(userKey)) }
    }

    @Test(
        "A key given as the user is not shown",
        arguments: [
            key, newKey, "\(key)\n", "client.\(key)", "key=\(key)", String(key.dropLast(2)), String(key.prefix(30)),
            String(newKey.dropLast(8)), "node:\(newKey)", "QVFDVWNDdHB3Qnd0SEJBQUY0Y1B3VU5Sa0UwU0Jab3FrTXpMTHc9PQ==",
        ]
    )
    func hidesSwapped(_ userID: String) {
        #expect {
            _ = try read(userID, "csi-rbd-node")
        } throws: { error in
            let text = (error as? CredentialsFault)?.description ?? ""
            return !text.isEmpty && !text.contains("AQCU") && !text.contains("AgCU") && !text.contains("QVFD")
        }
    }

    @Test(
        "A user whose name is long is no key",
        arguments: [
            "csi-rbd-provisioner.3", "0123456789abcdef0123456789abcdef01234567", "AQUARIUMsForEverybodyOnTheRack",
        ]
    )
    func takesLongNames(_ userID: String) throws {
        #expect(try read(userID, Self.key).userID == userID)
    }

    @Test("Keys are told by decoding them")
    func kinds() {
        #expect(CephKey.kind(of: Secret(Self.key)) == .aes)
        #expect(CephKey.kind(of: Secret(Self.newKey)) == .aes256k)
        for text in ["", "AQ==", "TOP-SECRET-KEY", String(Self.key.dropLast(2)), String(Self.newKey.dropLast(4))] {
            #expect(CephKey.kind(of: Secret(text)) == nil)
        }
    }

    @Test(
        "A key is decoded from base64, and only then",
        arguments: [
            ("AQID", [1, 2, 3] as [UInt8]?), ("AQI=", [1, 2]), ("AQ==\n", [1]), ("AQ==AQID", [1]), ("A?ID", nil),
            ("", nil), ("A===", nil), ("AQI", nil),
        ]
    )
    func decodes(text: String, expected: [UInt8]?) {
        let bytes = CephKey.withDecoded(Secret(text)) { key in key.withBytes { Array($0) } }
        #expect(bytes == expected)
    }
}
