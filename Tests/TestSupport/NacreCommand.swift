import Foundation

/// The program as a person runs it, with a cluster and a service.
public struct NacreCommand: Sendable {
    /// The variables that name its service, its cluster and its user.
    public var environment: [String: String]

    /// How a command ended.
    public struct Outcome: Sendable, CustomStringConvertible {
        /// Its exit status.
        public let status: Int32
        /// Its standard output.
        public let output: String
        /// Its standard error.
        public let notes: String

        /// All of it.
        public var description: String { "status \(status)\n\(output)\(notes)" }
    }

    /// A service's commands.
    public init(_ service: NacreProcess, cluster: MicroCluster) {
        environment = [
            "NACRE_SOCKET": service.socketPath, "NACRE_CONFIG": cluster.configurationPath,
            "NACRE_SECRET_DIR": cluster.provisionerSecret, "NACRE_STATE_DIR": "\(service.directory)/state",
            "NACRE_RUN_DIR": "\(service.directory)/run", "KUBECONFIG": "",
        ]
    }

    /// Runs it.
    ///
    /// - Parameters:
    ///   - words: The arguments of `nacre`.
    ///   - isNobody: Whether it runs as the user `nobody`, who has no rights.
    ///   - typing: The input on a terminal; without it, there is no terminal.
    /// - Returns: Its exit status and output.
    /// - Throws: If it cannot be started, or does not end within four minutes.
    public func callAsFunction(
        _ words: [String],
        isNobody: Bool = false,
        typing: String? = nil
    ) async throws -> Outcome {
        let file = "/tmp/nacre-c\(UInt32.random(in: 0...UInt32.max))"
        defer { for part in ["out", "err", "in"] { try? FileManager.default.removeItem(atPath: "\(file).\(part)") } }
        let user = isNobody ? "setpriv --reuid=65534 --regid=65534 --clear-groups " : ""
        var line = "exec \(user)\"$@\" > \(file).out 2> \(file).err < /dev/null"
        if let typing {
            try typing.write(toFile: "\(file).in", atomically: true, encoding: .utf8)
            // A terminal has one output.
            line =
                "exec script --quiet --return --command \"$(printf '%q ' \"$@\")\" /dev/null"
                + " < \(file).in > \(file).out 2> \(file).err"
        }
        let process = try ChildProcess(
            "/bin/bash",
            ["-c", line, "bash", NacreProcess.program] + words,
            environment: environment,
            log: "/dev/null"
        )
        let end = try await process.end(within: .seconds(240))
        guard case .exited(let status) = end else { return Outcome(status: -1, output: "", notes: "\(end)") }
        return Outcome(
            status: status,
            output: (try? String(contentsOfFile: "\(file).out", encoding: .utf8)) ?? "",
            notes: (try? String(contentsOfFile: "\(file).err", encoding: .utf8)) ?? ""
        )
    }

    /// Runs a line of words; quotes are not supported.
    public func callAsFunction(_ line: String, isNobody: Bool = false) async throws -> Outcome {
        try await self(line.split(separator: " ").map(String.init), isNobody: isNobody)
    }
}
