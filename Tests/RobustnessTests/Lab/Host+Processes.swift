import Foundation
import Glibc

extension Host {
    /// What of Nacre runs on a host.
    enum Role { case service, imageServer }

    /// The numbers of its processes, as they are seen from here.
    func processes(_ role: Role) -> [pid_t] {
        guard let pid = initProcess, let world = Self.link("/proc/\(pid)/ns/pid") else { return [] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { process in
            guard Self.link("/proc/\(process)/ns/pid") == world, Self.state(process) != "Z",
                let line = try? Data(contentsOf: URL(filePath: "/proc/\(process)/cmdline"))
            else { return false }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard words.count > 1 else { return false }
            switch role {
            case .service: return words[0].hasSuffix("nacre") && words[1] == "serve"
            case .imageServer: return words[1] == "image-server"
            }
        }.sorted()
    }

    /// Kills processes; as they would start each other anew, all are stopped before.
    static func kill(_ processes: [pid_t]) {
        for signal in [SIGSTOP, SIGKILL] {
            for process in processes { Glibc.kill(process, signal) }
        }
    }

    /// Stops processes while `body` runs.
    static func pause(_ processes: [pid_t], _ body: () async -> Void) async {
        for process in processes { Glibc.kill(process, SIGSTOP) }
        await body()
        for process in processes { Glibc.kill(process, SIGCONT) }
    }

    private static func state(_ process: pid_t) -> Substring? {
        let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        return text?.split(separator: ")").last?.split(separator: " ").first
    }

    private static func link(_ path: String) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: path)
    }
}

extension Host {
    /// Everything that is left of volumes on it, once nothing is to be there.
    func remains() async throws -> [String] {
        guard let pid = initProcess else { return ["\(name) is off"] }
        var remains: [String] = []
        let mounts = try String(contentsOfFile: "/proc/\(pid)/mountinfo", encoding: .utf8)
        for line in mounts.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 4, words[4].hasPrefix("\(directory)/") else { continue }
            remains.append("\(name): mount \(words[4].dropFirst(directory.count + 1))")
        }
        let look =
            "cat /sys/block/loop*/loop/backing_file 2> /dev/null | grep -F '\(directory)/' | sed 's/^/loop on /'; "
            + "cd \(directory) && find state/volumes state/mappings staging pods -mindepth 1 2> /dev/null"
        remains += try await inside(look).output.split(separator: "\n").map { "\(name): \($0)" }
        // One that waits for the next image is no volume's.
        let servers = processes(.imageServer)
        if servers.count > 1 { remains.append("\(name): \(servers.count) processes that serve images") }
        return remains
    }

    /// The UUID of the file system that is mounted at a path; nothing where it cannot be told.
    func fileSystem(at path: String) async throws -> String? {
        guard let pid = initProcess,
            let mounts = try? String(contentsOfFile: "/proc/\(pid)/mountinfo", encoding: .utf8),
            let line = mounts.split(separator: "\n").last(where: { $0.split(separator: " ")[4] == path }),
            let dash = line.range(of: " - ")
        else { return nil }
        let words = line[dash.upperBound...].split(separator: " ")
        guard words.count > 1 else { return nil }
        let (isOK, output) = try await Lab.run(["blkid", "-p", "-o", "value", "-s", "UUID", String(words[1])])
        return isOK ? output.trimmingCharacters(in: .whitespacesAndNewlines) : nil
    }
}
