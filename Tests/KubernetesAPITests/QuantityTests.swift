import Testing

@testable import KubernetesAPI

@Suite("Quantities")
struct QuantityTests {
    @Test(
        "A quantity is read to the byte, rounded up",
        arguments: [
            ("1Gi", 1 << 30), ("1G", 1_000_000_000), ("1500m", 2), ("1e9", 1_000_000_000), ("0.5Gi", 1 << 29),
            ("9223372036854775807", Int64.max), ("10Ti", 10 << 40), ("1.5Ki", 1536), ("1E3", 1000), ("1E", 1 << 0),
            ("+5", 5), ("0", 0), ("0.1", 1), ("5n", 1), (".5Mi", 1 << 19), ("100k", 100_000), ("1e-3", 1), ("007", 7),
        ] as [(String, Int64)]
    )
    func reads(text: String, bytes: Int64) {
        let wanted = text == "1E" ? 1_000_000_000_000_000_000 : bytes
        #expect(Quantity.bytes(text) == wanted)
    }

    @Test(
        "What is no quantity, negative or too large is none",
        arguments: [
            "", "Gi", "-1", "1GB", "1 Gi", "1.2.3", "9223372036854775808", "8Ei", "1e99", "1e", "١Gi", "1ki", "NaN",
            "99999999999999999999999999999999999999999",
        ]
    )
    func refuses(text: String) {
        #expect(Quantity.bytes(text) == nil)
    }

    @Test(
        "A size is written with the largest binary unit that divides it",
        arguments: [
            (10 << 30, "10Gi"), (1536 << 20, "1536Mi"), (1000, "1000"), (1 << 40, "1Ti"), (0, "0"),
            (9537 << 20, "9537Mi"), (3 << 60, "3Ei"),
        ] as [(Int64, String)]
    )
    func writes(bytes: Int64, text: String) {
        #expect(Quantity.text(bytes) == text)
        #expect(Quantity.bytes(text) == bytes)
    }
}
