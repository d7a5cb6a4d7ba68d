import ArgumentParser
import Testing
import VolumeAPI
import Volumes

@testable import nacre

@Suite("Commands and their arguments")
struct CommandTests {
    @Test("Options become a StorageClass' parameters")
    func parameters() throws {
        let command = try VolumeCreate.parse([
            "data", "--cluster", "a", "--pool", "meta", "--data-pool", "ec", "--features", "layering,exclusive-lock",
            "--object-size", "8MiB", "--stripe-unit", "64Ki", "--stripe-count", "4",
            "--parameter", "mkfsOptions=-m1 -b=4", "--size", "10Gi", "--limit", "12Gi", "--block", "--access-mode",
            "rwx",
        ])
        let parameters = try command.properties.parameters(config: "/nonexistent")
        #expect(
            parameters == [
                "clusterID": "a", "pool": "meta", "dataPool": "ec", "imageFeatures": "layering,exclusive-lock",
                "objectSize": "8388608", "stripeUnit": "65536", "stripeCount": "4", "mkfsOptions": "-m1 -b=4",
            ]
        )
        #expect(try command.properties.range == CapacityRange(requiredBytes: 10 << 30, limitBytes: 12 << 30))
        #expect(command.properties.capability == VolumeCapability(.block, mode: .multiNodeMultiWriter))
        #expect(throws: Never.self) { try VolumeParameters(parameters) }
    }

    /// All commands below one.
    private func commands(_ root: any ParsableCommand.Type) -> [any ParsableCommand.Type] {
        [root] + root.configuration.subcommands.flatMap(commands)
    }

    @Test("An example in a help text fits a line of a terminal, so that it can be copied")
    func examples() {
        let all = commands(Nacre.self)
        #expect(all.count > 20)
        for command in all {
            let lines = command.configuration.discussion.split(separator: "\n")
            for line in lines where line.hasPrefix("  ") {
                #expect(line.count <= 80, "\(command._commandName): \(line)")
            }
        }
    }

    @Test(
        "A create that contradicts itself is refused before anything is done",
        arguments: [
            ["x", "--pool", "p", "--block", "--fs", "xfs"], ["x", "--pool", "p", "--parameter", "novalue"],
            ["x", "--pool", "p", "--parameter", "=v"], ["x", "--pool", "p", "--size", "10K"],
            ["x", "--pool", "p", "--fs", "ntfs"], ["x", "--pool", "p", "--access-mode", "rw"], ["--pool", "p"],
        ]
    )
    func refuses(arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try VolumeCreate.parse(arguments) }
        #expect(error.map { Nacre.exitCode(for: $0) } == .validationFailure)
    }

    @Test(
        "Parameters that say the same twice, or too little, are wrong usage",
        arguments: [
            (["x", "--cluster", "a"], "--pool"), (["x", "--pool", "p", "--parameter", "pool=q"], "--parameter pool"),
            (["x", "--pool", "p", "--parameter", "a=1", "--parameter", "a=2"], "given twice"),
        ]
    )
    func contradicts(arguments: [String], hint: String) throws {
        let command = try VolumeCreate.parse(arguments)
        let failure = #expect(throws: CommandFailure.self) {
            try command.properties.parameters(config: "/nonexistent/config.json")
        }
        #expect(failure?.status == .usage)
        #expect(failure?.message.contains(hint) == true)
    }

    @Test("A cluster that is not named, with no config.json to look it up in, is a missing file")
    func missingConfiguration() throws {
        let command = try VolumeCreate.parse(["x", "--pool", "p"])
        let failure = #expect(throws: CommandFailure.self) {
            try command.properties.parameters(config: "/nonexistent/config.json")
        }
        #expect(failure?.status == .notFound)
        #expect(failure?.message.contains("'/nonexistent/config.json'") == true, "\(failure?.message ?? "")")
        #expect(failure?.message.contains("--config") == true)
    }

    @Test(
        "A time is read with its unit, and a number alone is seconds",
        arguments: [
            ("60", Duration.seconds(60)), ("60s", .seconds(60)), ("500ms", .milliseconds(500)), ("5m", .seconds(300)),
            ("5min", .seconds(300)), ("1h", .seconds(3600)), ("1h30m", .seconds(5400)), ("2d", .seconds(172_800)),
            ("1m30s500ms", .milliseconds(90_500)),
        ]
    )
    func times(text: String, duration: Duration) throws {
        #expect(try TimeLimit(parsing: text).duration == duration)
        #expect(try TimeLimit(parsing: "\(TimeLimit(parsing: text))").duration == duration)
    }

    @Test(
        "What is no time is refused",
        arguments: ["", "0", "0s", "-1", "s", "5x", "1h30", "5 m", "1.5h", "9999999999", "400d", "٣s", "60S"]
    )
    func noTimes(text: String) {
        let fault = #expect(throws: TimeLimit.Fault.self) { try TimeLimit(parsing: text) }
        #expect(fault?.description.contains("'\(text)'") == true)
    }

    @Test("A name that is known is the one that counts; without one, the image's")
    func knownNames() throws {
        let id = try VolumeID(
            clusterID: "a",
            pool: "p",
            namespace: "n",
            image: try ImageName.image(forRequest: "data", prefix: "csi-vol-")
        )
        for name in ["data", "p/n/data", "\(id)", id.image, id.imageSpec] {
            #expect(VolumeName(argument: name)?.names(id, called: "data") == true, "\(name)")
        }
        for name in ["p/data", "n/data", "other", "Data"] {
            #expect(VolumeName(argument: name)?.names(id, called: "data") == false, "\(name)")
        }
        #expect(VolumeName(argument: "data")?.names(id, called: "other") == false)
        // One letter in two spellings is two names.
        #expect(VolumeName(argument: "caf\u{E9}")?.names(id, called: "cafe\u{301}") == false)
        #expect(VolumeName(argument: "p/n/\u{301}x")?.names(id, called: "\u{301}x") == true)
        #expect(VolumeName(argument: "p/n/data")?.names(id) == true)
    }

    @Test("What makes the device is told to the service in a class' words, and nothing when it is not asked for")
    func mounter() throws {
        let mount = try VolumeMount.parse(["data", "/mnt", "--mounter", "krbd", "--mkfs-options", "-m0"])
        #expect(mount.context == ["mounter": "krbd", "mkfsOptions": "-m0"])
        #expect(try VolumeMount.parse(["data", "/mnt"]).context.isEmpty)
        #expect(try VolumeMap.parse(["data", "--mounter", "auto"]).mounter.context == ["mounter": "auto"])
        #expect(throws: (any Error).self) { try VolumeMap.parse(["data", "--mounter", "iscsi"]) }
    }

    @Test("A volume is found by image, by spec, and by the name it was created with")
    func names() throws {
        let uuid = "0f3a7c52-8f0e-4a5e-9d5a-2f6c3b1d7e90"
        let id = try VolumeID(clusterID: "a", pool: "p", namespace: "n", image: "csi-vol-\(uuid)")
        for name in ["csi-vol-\(uuid)", "p/n/csi-vol-\(uuid)", "pvc-\(uuid)"] {
            #expect(VolumeName(argument: name)?.names(id) == true, "\(name)")
        }
        for name in [uuid.dropLast(1).description, "p/csi-vol-\(uuid)", "csi-vol-", "pvc-\(uuid.uppercased())", "n"] {
            #expect(VolumeName(argument: name)?.names(id) == false, "\(name)")
        }
        let made = try ImageName.image(forRequest: "data", prefix: "csi-vol-")
        let own = try VolumeID(clusterID: "a", pool: "p", namespace: "", image: made)
        #expect(VolumeName(argument: "data")?.names(own) == true)
        #expect(VolumeName(argument: "Data")?.names(own) == false)
        #expect(VolumeName(argument: "\(own)")?.handle == own)
    }

    @Test("Every outcome of CSI has an exit code, and no failure looks like a success")
    func exitCodes() {
        for code in VolumeError.Code.allCases {
            #expect(ExitStatus(code) != .done, "\(code)")
        }
        #expect(ExitStatus(.deadlineExceeded).rawValue == 75)
        #expect(ExitStatus(.notFound).rawValue == 66)
        #expect(ExitStatus(.permissionDenied).rawValue == 77)
        #expect(ExitStatus.table.split(separator: "\n").count == ExitStatus.allCases.count)
        #expect(ExitStatus.table.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }

    @Test("Connect's codes and CSI's outcomes are the same")
    func connectCodes() {
        let codes = ConnectError.Code.allCases.map { VolumeError.Code($0) }
        #expect(Set(codes).count == VolumeError.Code.allCases.count)
        for (connect, csi) in zip(ConnectError.Code.allCases, codes) {
            #expect(connect.rawValue.replacing("_", with: "") == csi.rawValue.lowercased())
        }
    }

    @Test("Every access mode goes over the wire as what it is", arguments: AccessModeChoice.allCases)
    func accessModes(choice: AccessModeChoice) {
        let message = CSI.VolumeCapability(VolumeCapability(.block, mode: choice.mode))
        #expect(message.accessMode?.mode.rawValue == choice.mode.name)
        #expect(message.block != nil && message.mount == nil)
    }

    @Test("A socket that is not there is told with the remedy, as its own exit code")
    func missingSocket() async {
        let failure = await #expect(throws: CommandFailure.self) {
            try await SocketBackend(path: "/nonexistent/n.sock")
        }
        #expect(failure?.status == .serviceUnreachable)
        #expect(failure?.message.contains("nacre serve --socket /nonexistent/n.sock") == true)
        #expect(failure?.message.contains("--direct") == true)
    }
}
