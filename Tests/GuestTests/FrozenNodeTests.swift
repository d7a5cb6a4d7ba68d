import Glibc
import ImageServing
import NodeMapping
import NodeTestSupport
import Testing

extension GuestTests {
    /// The program that tests of nodes run, which the guests see at the host's path.
    private static func program() throws -> String {
        try NodeLab(directory: "/tmp/node", placement: .stay).program
    }

    /// Creates an image of pool rbd with the mark of Nacre's.
    private static func makeImage(_ image: String, megabytes: Int) async throws {
        let conf = "\(NodeLab.clusterDirectory ?? "")/ceph.conf"
        try await Guest.host(
            "rbd -c \(conf) create rbd/\(image) --size \(megabytes)M && "
                + "rbd -c \(conf) image-meta set rbd/\(image) nacre.io/request-name \(image)"
        )
    }

    @Test("a volume of a frozen node goes to another one, and what the first one writes when it thaws is refused")
    func frozenNode() async throws {
        let conf = "\(NodeLab.clusterDirectory ?? "")/ceph.conf"
        try await Self.makeImage("frozen", megabytes: 128)
        let stage =
            "mkdir -p /tmp/node/staging/frozen /tmp/node/pods; \(try Self.program()) /tmp/node up frozen ext4 none krbd"
        try await Guest.with("east", "west") { guests in
            let (east, west) = (guests[0], guests[1])
            try await east.shell(stage)
            try await east.shell(
                """
                cd /tmp/node/staging/frozen && echo early > early && sync early
                (while date >> late && sync late; do sleep 0.1; done; cat late > /tmp/lost; cd /; touch /tmp/refused) \
                > /dev/null 2>&1 &
                """
            )
            // It lives, so it keeps the volume.
            let refusal = try await west.shell("\(stage) || echo refused")
            #expect(
                refusal.contains("in use on node 'east' (10.77.0.2:0/") && refusal.hasSuffix("refused\n"),
                "\(refusal)"
            )

            try await east.freeze()
            // A watch lasts 30 s.
            let taken = try await west.shell(
                "for i in $(seq 60); do if \(stage) > /tmp/why; then echo taken; exit; fi; sleep 1; done; cat /tmp/why"
            )
            #expect(taken.hasSuffix("taken\n"), "\(taken)")
            try await west.shell("cd /tmp/node/staging/frozen; cat early; echo mine > mine; sync mine")
            try await east.thaw()
            try await east.shell("for i in $(seq 900); do [ ! -e /tmp/refused ] || exit 0; sleep 0.1; done; exit 1")
            #expect(try await west.shell("cat /tmp/node/staging/frozen/mine") == "mine\n")
            try await west.shell("\(try Self.program()) /tmp/node down frozen ext4 none krbd")
            try await west.shell(
                """
                rbd -c \(conf) map -o noudev,ms_mode=prefer-crc,ro rbd/frozen && e2fsck -fn /dev/rbd0
                rbd -c \(conf) unmap -o noudev /dev/rbd0
                """
            )
        }
        try await Guest.host("rbd -c \(conf) rm --no-progress rbd/frozen")
    }

    @Test("a map goes on when the OSDs come back, and what is mapped stalls and goes on, too")
    func outage() async throws {
        let cluster = NodeLab.clusterDirectory ?? ""
        let conf = "\(cluster)/ceph.conf"
        for image in ["first", "second"] { try await Self.makeImage(image, megabytes: 64) }
        let program = try Self.program()
        func stage(_ image: String) -> String {
            "mkdir -p /tmp/node/staging/\(image) /tmp/node/pods; \(program) /tmp/node up \(image) ext4 none krbd"
        }
        try await Guest.with("north") { guests in
            let north = guests[0]
            try await north.shell(stage("first"))
            let osds = try await Guest.host("rbd -c \(conf) --version > /dev/null; ls -d \(cluster)/osd/* | wc -l")
            let names = (0..<(Int(osds.split(separator: "\n").last ?? "") ?? 3)).map { "osd.\($0)" }.joined(
                separator: " "
            )
            let tool = Guest.tool("micro-cluster")
            try await Guest.host("\(tool) freeze --dir \(cluster) \(names)")
            try await north.shell(
                """
                (\(stage("second")) > /tmp/second 2>&1; echo $? >> /tmp/second) &
                (echo x > /tmp/node/staging/first/f; sync /tmp/node/staging/first/f; echo $? > /tmp/first) > /dev/null 2>&1 &
                sleep 4; [ ! -s /tmp/first ] && [ ! -s /tmp/second ]
                """
            )
            try await Guest.host("\(tool) thaw --dir \(cluster) \(names) --wait")
            let results = try await north.shell(
                """
                for i in $(seq 600); do [ -s /tmp/first ] && [ -s /tmp/second ] && break; sleep 0.1; done
                cat /tmp/first /tmp/second
                """,
                seconds: 100
            )
            #expect(results.hasPrefix("0\n0\n"), "\(results)")
            for image in ["first", "second"] {
                try await north.shell("\(program) /tmp/node down \(image) ext4 none krbd")
            }
        }
        try await Guest.host("rbd -c \(conf) rm --no-progress rbd/first && rbd -c \(conf) rm --no-progress rbd/second")
    }
}
