import Secrets
import Testing

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

    @Test("The bytes are lent, zero-terminated for C")
    func lends() {
        #expect(Secret("key").withCString { String(cString: $0) } == "key")
        #expect(Secret("key").withBytes { $0.count } == 3)
    }
}
