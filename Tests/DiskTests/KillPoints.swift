import Glibc
import Testing

/// A moment in a command: the nth call of a thread on a device.
struct KillPoint: Sendable, Hashable, CustomStringConvertible {
    let call: String
    let number: Int

    var description: String { "\(call) \(number)" }
}

/// A call that changed a place of a device.
struct DeviceChange: Sendable, Hashable {
    let point: KillPoint
    let offset: UInt64
    let length: UInt64
}

extension DiskLab {
    /// Runs a command and lists every call that changed or flushed a device.
    ///
    /// strace counts by thread and by call, and only one thread at a time uses a device.
    func killPoints(of command: String, on device: String, status: Int32 = 0) throws -> [KillPoint] {
        let calls = "pwrite64,ioctl,fsync"
        try sh(
            "strace -f -qq -P \(device) -e trace=\(calls) -o \(directory)/trace \(command) < /dev/null || test $? = \(status)"
        )
        let lines = try sh("cat \(directory)/trace").split(separator: "\n")
        // The claim makes three requests to the device before any change.
        let questions = ["BLKGETSIZE64", "BLKSSZGET", "BLKGETDISKSEQ"]
        var counts: [String: [String: Int]] = [:]
        var points: [KillPoint] = []
        for line in lines {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            guard words.count == 2, let end = words[1].firstIndex(of: "(") else { continue }
            let call = words[1][..<end].filter { $0 != " " }
            let number = counts[words[0], default: [:]][call, default: 0] + 1
            counts[words[0], default: [:]][call] = number
            if !questions.contains(where: { words[1].contains($0) }) {
                points.append(KillPoint(call: call, number: number))
            }
        }
        return points
    }

    /// Runs a command and lists what it wrote to a device or had the device make zeros of, in order.
    func changes(of command: String, on device: String, status: Int32 = 0) throws -> [DeviceChange] {
        let trace = "\(directory)/changes"
        let ran = Self.run(
            "strace -f -qq -s 0 -P \(device) -e trace=pwrite64,ioctl -o \(trace) \(command)",
            limit: 120
        )
        try #require(ran.status == status, "\(command): \(ran)")
        var counts: [String: Int] = [:]
        return try sh("cat \(trace)").split(separator: "\n").compactMap { line in
            guard let call = line.firstMatch(of: /^(\d+) +(pwrite64|ioctl)\(/) else { return nil }
            let number = counts["\(call.1) \(call.2)", default: 0] + 1
            counts["\(call.1) \(call.2)"] = number
            let point = KillPoint(call: String(call.2), number: number)
            if let place = line.firstMatch(of: /BLKZEROOUT, \[(\d+), (\d+)\]/) {
                return UInt64(place.1).flatMap { offset in
                    UInt64(place.2).map { DeviceChange(point: point, offset: offset, length: $0) }
                }
            }
            return line.firstMatch(of: /pwrite64\(\d+, ""\.\.\., (\d+), (\d+)/).flatMap { place in
                UInt64(place.2).flatMap { offset in
                    UInt64(place.1).map { DeviceChange(point: point, offset: offset, length: $0) }
                }
            }
        }
    }

    /// Runs a command and kills it at that point, before the call.
    func kill(_ command: String, at point: KillPoint, on device: String) -> Ran {
        Self.run(
            "strace -f -qq -P \(device) -e trace=\(point.call) -o /dev/null "
                + "-e inject=\(point.call):signal=KILL:when=\(point.number) \(command)",
            limit: 120
        )
    }
}

extension [KillPoint] {
    /// All of them when NACRE_DISK_EVERY_KILL is set; else the writes and flushes, without requests to the device.
    var forThisRun: [KillPoint] { getenv("NACRE_DISK_EVERY_KILL") == nil ? filter { $0.call != "ioctl" } : self }

    /// As ``forThisRun``, and of those only the last two writes, when what tells the owner goes, and any one before.
    var decisive: [KillPoint] {
        guard getenv("NACRE_DISK_EVERY_KILL") == nil else { return self }
        let writes = filter { $0.call == "pwrite64" }
        return writes.suffix(2) + writes.dropLast(2).shuffled().prefix(1)
    }
}
