import LinuxKernel
import Testing

@testable import ImageMapping
@testable import ImageOwnership
@testable import ImageServing
@testable import KernelMapping
@testable import NodeMapping

@Suite("Monitors for the kernel")
struct MonitorTests {
    @Test(
        "An entry of a list of monitors is read as Ceph and ceph-csi write it",
        arguments: [
            ("10.0.0.1:6789", ["10.0.0.1:6789"]),
            ("v2:10.0.0.1:3300/0", ["v2 10.0.0.1:3300"]),
            ("v1:10.0.0.1:6789", ["v1 10.0.0.1:6789"]),
            ("[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]", ["v2 10.0.0.1:3300", "v1 10.0.0.1:6789"]),
            ("10.0.0.1:6789,10.0.0.2:6789", ["10.0.0.1:6789", "10.0.0.2:6789"]),
            ("10.0.0.1", ["10.0.0.1:3300", "10.0.0.1:6789"]),
            ("v1:mon.example", ["v1 mon.example:6789"]),
            ("[fd00::1]:3300", ["[fd00::1]:3300"]),
            ("[v2:[fd00::1]:3300/0,v1:[fd00::1]:6789/0]", ["v2 [fd00::1]:3300", "v1 [fd00::1]:6789"]),
            ("fd00::1", ["[fd00::1]:3300", "[fd00::1]:6789"]),
            ("10.0.0.1:", []), ("10.0.0.1:70000", []), ("10.0.0.1:x", []), ("", []), ("[]", []), ("v2:", []),
        ]
    )
    func parse(entry: String, expected: [String]) {
        let found = MonitorAddress.parse([entry]).map { ($0.declared.map { "\($0.rawValue) " } ?? "") + $0.description }
        #expect(found == expected)
    }

    private func answer(_ host: String, _ outcome: MonitorProbe.Outcome) -> MonitorProbe.Answer {
        .init(address: MonitorAddress(host: host, port: 3300, declared: nil), outcome: outcome)
    }

    @Test("The new messenger is taken where it is spoken and the kernel knows it, and never both")
    func choice() throws {
        let both = [answer("a", .speaks(.v1)), answer("b", .speaks(.v2)), answer("c", .failed("connection refused"))]
        let new = try KernelMonitors(both, mode: nil, subject: "map", kernel: KernelRelease("6.1.0"))
        #expect(new.addresses == ["b:3300"] && new.mode == "prefer-crc")
        let old = try KernelMonitors(both, mode: nil, subject: "map", kernel: KernelRelease("5.4.0-generic"))
        #expect(old.addresses == ["a:3300"] && old.mode == nil)
        let asked = try KernelMonitors(both, mode: "legacy", subject: "map", kernel: KernelRelease("6.1.0"))
        #expect(asked.addresses == ["a:3300"] && asked.mode == "legacy")
        let secure = try KernelMonitors(both, mode: "secure", subject: "map", kernel: KernelRelease("6.1.0"))
        #expect(secure.addresses == ["b:3300"] && secure.mode == "secure")
    }

    @Test("A mode that no monitor speaks, and monitors that do not answer, are refused with what each said")
    func refusals() {
        #expect {
            try KernelMonitors([answer("a", .speaks(.v1))], mode: "crc", subject: "map image x", kernel: nil)
        } throws: {
            let error = $0 as? MappingError
            return error?.kind == .invalid && error?.message.contains("a:3300 speaks v1") == true
        }
        #expect {
            try KernelMonitors(
                [answer("a", .failed("no route to host"))],
                mode: nil,
                subject: "map image x",
                kernel: nil
            )
        } throws: {
            let error = $0 as? MappingError
            return error?.kind == .unavailable && error?.message.contains("a:3300: no route to host") == true
        }
    }

    @Test(
        "A kernel's release says whether it knows the new messenger",
        arguments: [
            ("5.10.0-8-amd64", false), ("5.11.0", true), ("6.1.176", true), ("4.18.0-348.el8.x86_64", true),
            ("4.18.0", false),
        ]
    )
    func releases(text: String, hasMessengerV2: Bool) {
        #expect(KernelRelease(text)?.hasMessengerV2 == hasMessengerV2)
    }
}
