import Testing

@testable import nacre

@Suite("Sizes on the command line")
struct QuantityTests {
    @Test(
        "A size is what Kubernetes says it is",
        arguments: [
            ("0", 0), ("1048576", 1_048_576), ("512B", 512), ("1k", 1000), ("1kB", 1000), ("1Ki", 1024), ("1KiB", 1024),
            ("10G", 10_000_000_000), ("10GB", 10_000_000_000), ("10Gi", 10_737_418_240), ("10GiB", 10_737_418_240),
            ("1.5Gi", 1_610_612_736), ("0.5Ki", 512), ("1.0001k", 1001), ("0.3", 1), ("7E", 7_000_000_000_000_000_000),
            ("7Ei", 8_070_450_532_247_928_832), ("007M", 7_000_000),
        ] as [(String, UInt64)]
    )
    func reads(text: String, bytes: UInt64) throws {
        #expect(try Quantity(parsing: text).bytes == bytes)
    }

    @Test(
        "What is no size is refused with a hint",
        arguments: [
            ("", "write a number and a unit"), ("Gi", "write a number"), ("-1Gi", "write a number"),
            ("1.", "write a number"), (".5Gi", "write a number"), ("1.2.3Gi", "write a number"),
            ("10K", "did you mean 10KiB (1024) or 10k (1000)"), ("10g", "did you mean 10GiB (1024) or 10G (1000)"),
            ("10gb", "did you mean 10GiB"), ("10Gib", "did you mean 10GiB"), ("10 Gi", "unknown unit ' Gi'"),
            ("10X", "unknown unit 'X'"), ("5m", "did you mean 5MiB"), ("8Ei", "more than 8 EiB"),
            ("16E", "more than 8 EiB"), ("1234567890123456789", "too many digits"), ("١Gi", "write a number"),
            ("1e3", "did you mean 1EiB"),
        ]
    )
    func refuses(text: String, hint: String) {
        let fault = #expect(throws: Quantity.Fault.self) { try Quantity(parsing: text) }
        #expect(fault?.description.contains(hint) == true, "\(fault?.description ?? "")")
    }
}
