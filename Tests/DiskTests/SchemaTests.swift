import Glibc
import LinuxKernel
import Testing

/// A key that comes, goes or changes its type fails here: scripts rely on them, so Sources/Manual/nacre-disk-output.schema.json
/// changes with them, and CHANGELOG says so.
@Suite(
    "What --output json prints is what the schema says, to the key",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")"),
    .enabled(if: OracleTests.has("/usr/bin/python3 -c 'import jsonschema'"), "needs python3-jsonschema")
)
struct SchemaTests {
    private static let schema =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        + "/Sources/Manual/nacre-disk-output.schema.json"

    /// Compares an output with a definition of the schema; what differs.
    private func difference(_ output: String, _ definition: String, _ lab: DiskLab) throws -> String {
        let script = """
            import json, sys, jsonschema
            schema = json.load(open(sys.argv[1]))
            # Both ways: what is printed is in the schema, and each key of the schema is printed, because all are required.
            schema["$ref"] = "#/$defs/" + sys.argv[2]
            found = json.load(open(sys.argv[3]))
            assert found, "nothing was printed"
            for error in jsonschema.Draft202012Validator(schema).iter_errors(found):
                print(error.json_path, error.message[:300])
            """
        try KernelFile.replace("\(lab.directory)/output.json", with: Array(output.utf8))
        try KernelFile.replace("\(lab.directory)/validate.py", with: Array(script.utf8))
        return try lab.sh(
            "/usr/bin/python3 \(lab.directory)/validate.py \(Self.schema) \(definition) \(lab.directory)/output.json"
        )
    }

    @Test(
        "Of disks of every layout",
        arguments: [Layout.raw, .partitioned, .volume, .encrypted, .extendedPartitions, .backupTableOnly]
    )
    func layouts(layout: Layout) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", Layout.size)
        try layout.make(disk, lab)
        for (words, definition) in [("inspect", "inspections"), ("check", "inspections"), ("plan", "plans")] {
            let printed = lab.nacre("\(words) \(disk.loop) -o json").output
            #expect(try difference(printed, definition, lab) == "", "\(layout): \(words)")
        }
    }

    @Test("Of a zap that is refused, and of one that is done")
    func zap() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try lab.sh("mkfs.ext4 -q \(disk.file)")
        try disk.flush()
        let plan = lab.nacre("zap \(disk.loop) --plan -o json")
        #expect(try difference(plan.output, "plans", lab) == "")
        let done = lab.nacre("zap \(disk.loop) --serial \(disk.file) --content ext4 -o json")
        #expect(done.status == 0, "\(done.errors)")
        #expect(try difference(done.output, "outcomes", lab) == "")
    }

    @Test("Of a teardown: its plan, its progress, and what became of it")
    func teardown() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 192 << 20)
        try disk.write(fixture: "bluestore-single")
        let words = "teardown --fsid \(DiskLab.cluster) --include \(disk.loop)"
        let plan = lab.nacre("\(words) --plan -o json")
        #expect(try difference(plan.output, "teardownPlan", lab) == "")
        let done = lab.nacre("\(words) --confirm \(DiskLab.cluster) --progress json -o json")
        #expect(try difference(done.output, "teardown", lab) == "")
        let lines = done.errors.split(separator: "\n").filter { $0.hasPrefix("{\"progress\"") }
        let told = try lab.sh("jq -rR 'fromjson? | .progress.phase' <<< '\(lines.joined(separator: "\n"))' | uniq")
        #expect(told == "waiting\nlooking\nclaiming\nerasing\nverifying\ndone\n", "\(lines)")
        for line in lines { #expect(try difference(String(line), "progress", lab) == "") }
    }

    @Test("A key more, a key less or another type is noticed")
    func noticed() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        let printed = lab.nacre("inspect \(disk.loop) -o json").output
        for change in [".[0].surprise = 1", "del(.[0].identity.proof)", ".[0].identity.size = \"1\""] {
            let changed = try lab.sh("jq '\(change)' <<< '\(printed)'")
            #expect(try difference(changed, "inspections", lab) != "", "\(change)")
        }
    }
}
