import Glibc
import NodeTestSupport
import Subprocess
import SystemPackage
import Testing

/// One volume and two nodes with kernels, clients and addresses of their own, through the program itself.
extension GuestTests {
    @Test(
        "A second node is refused; when the first is unplugged, it gets the volume, with every flushed write",
        arguments: ["exclusive-lock", "layering"]
    )
    func unplugged(feature: String) async throws {
        let volume = try await WriterVolume("unplugged-\(feature)", feature)
        try await Guest.with("east", "west") { guests in
            let (east, west) = (guests[0], guests[1])
            let sum = try await volume.fill(on: east)
            let refusal = try await west.shell("\(volume.map) && echo mapped || true")
            #expect(refusal.contains("in use on node 'east' (10.77.0.2:0/"), "\(refusal)")
            #expect(refusal.contains("mapped by krbd") && !refusal.contains("\nmapped"), "\(refusal)")
            try await east.kill()
            try await volume.take(on: west, from: "east")
            #expect(try await west.shell("device=$(\(volume.map)) && \(WriterVolume.sum("$device"))") == sum)
            #expect(try await volume.ceph("osd blocklist ls").contains("10.77.0.2:0/"))
            try await west.shell(volume.unmap)
        }
        try await volume.remove()
    }

    @Test("A late write of a frozen and fenced node is rejected, and its writer is told")
    func frozen() async throws {
        let rounds = getenv("NACRE_TORTURE_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 2
        let volume = try await WriterVolume("frozen", "exclusive-lock")
        try await Guest.with("east", "west") { guests in
            var (owner, taker) = (guests[0], guests[1])
            for round in 1...rounds {
                let sum = try await volume.fill(on: owner)
                // Over and over the same blocks behind what was summed up, each flushed, until one fails.
                try await owner.shell(
                    """
                    device=$(\(volume.map)); rm -f /tmp/late; (i=0; while [ $i -lt 100000 ] && dd if=/dev/urandom \
                    of=$device bs=64K count=1 seek=$((128 + i % 64)) oflag=direct conv=fsync,notrunc status=none; \
                    do i=$((i + 1)); done; echo "failed after $i" > /tmp/late) > /dev/null 2>&1 < /dev/null &
                    """
                )
                try await Task.sleep(for: .milliseconds(Int.random(in: 300...1500)))
                try await owner.freeze()
                _ = try await volume.nacre("node fence \(owner.name) --yes")
                let found = try await taker.shell("head=$(\(volume.map)) && \(WriterVolume.sum("$head"))")
                #expect(found == sum, "round \(round)")
                let mine = try await volume.fill(on: taker)
                try await taker.shell(
                    "dd if=/dev/zero of=$(\(volume.map)) bs=64K seek=128 count=64 oflag=direct conv=fsync"
                )
                try await owner.thaw()
                let late = try await owner.shell(
                    "i=0; while [ ! -e /tmp/late ] && [ $i -lt 600 ]; do i=$((i + 1)); sleep 0.1; done; cat /tmp/late"
                )
                #expect(late.hasPrefix("failed after"), "round \(round): \(late)")
                // Past every cache: the cluster's own copy.
                #expect(try await volume.exportedSum(bytes: 8 << 20) == mine, "round \(round)")
                #expect(try await volume.exportedZeros(), "round \(round): a late write arrived")
                try await owner.shell(volume.unmap)
                swap(&owner, &taker)
            }
            try await owner.shell(volume.unmap)
        }
        try await volume.remove()
    }
}

/// An image of 16 MiB, of which the first half is summed up.
private struct WriterVolume {
    let image: String
    private let directory: String
    private let handle: String
    private let root = String(#filePath.dropLast("Tests/GuestTests/SingleWriterTests.swift".count))

    init(_ image: String, _ feature: String) async throws {
        self.image = image
        directory = NodeLab.clusterDirectory ?? ""
        let clusterID = try await Self.host("ceph -c \(directory)/ceph.conf fsid")
        handle = "\(clusterID.filter { !$0.isWhitespace })/rbd//\(image)"
        _ = try await Self.host(
            "rbd -c \(directory)/ceph.conf create rbd/\(image) --size 16M --image-feature layering,\(feature)"
        )
    }

    private var program: String {
        "\(root).build/debug/nacre"
    }

    private var options: String {
        "--config \(directory)/config.json --secret-dir \(directory)/secrets/csi-rbd-node"
    }

    /// Prints the device's path.
    var map: String { "\(program) volume map \(handle) --direct --quiet \(options)" }
    var unmap: String { "\(program) volume unmap \(handle) --direct --quiet \(options)" }

    static func sum(_ device: String) -> String { "dd if=\(device) bs=1M count=8 iflag=direct status=none | sha1sum" }

    /// Fills the first half with noise, flushed, and returns its sum.
    func fill(on guest: Guest) async throws -> String {
        try await guest.shell(
            """
            device=$(\(map)) && dd if=/dev/urandom of=/tmp/noise bs=1M count=8 status=none && \
            dd if=/tmp/noise of=$device bs=1M oflag=direct conv=fsync,notrunc status=none && \(Self.sum("$device"))
            """
        )
    }

    /// Tries until the volume is there: its last node's watch lasts 30 s, for which a call may wait.
    func take(on guest: Guest, from node: String) async throws {
        let deadline = ContinuousClock.now + .seconds(120)
        while true {
            let answer = try await guest.shell("\(map) && echo mapped || echo status $?")
            if answer.contains("\nmapped") { return }
            // 75 says that the cluster was too slow to tell, and nothing of the other node.
            if !answer.contains("status 75") { #expect(answer.contains("node '\(node)'"), "\(answer)") }
            guard .now < deadline else {
                Issue.record("not taken: \(answer)")
                return
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    func exportedSum(bytes: Int) async throws -> String {
        try await Self.host(
            "rbd -c \(directory)/ceph.conf export --no-progress rbd/\(image) - | head -c \(bytes) | sha1sum"
        )
    }

    func exportedZeros() async throws -> Bool {
        let rest = try await Self.host(
            "rbd -c \(directory)/ceph.conf export --no-progress rbd/\(image) - | tail -c +8388609 | head -c 4194304 | "
                + "tr -d '\\0' | wc -c"
        )
        return rest.filter { !$0.isWhitespace } == "0"
    }

    /// Runs the program beside the guests.
    func nacre(_ words: String) async throws -> String { try await Self.host("\(program) \(words) \(options)") }

    func ceph(_ words: String) async throws -> String {
        try await Self.host("ceph -c \(directory)/ceph.conf \(words) 2>&1")
    }

    /// Removes the image once no watch is left.
    func remove() async throws {
        _ = try await Self.host(
            "i=0; while ! rbd -c \(directory)/ceph.conf rm --no-progress rbd/\(image) && [ $i -lt 60 ]; "
                + "do i=$((i + 1)); sleep 1; done"
        )
    }

    private static func host(_ line: String) async throws -> String {
        let result = try await Subprocess.run(
            .path("/usr/bin/timeout"),
            arguments: ["120", "/bin/sh", "-c", line],
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20)
        )
        #expect(result.terminationStatus.isSuccess, "\(line): \(result.standardOutput)\(result.standardError)")
        return result.standardOutput
    }
}
