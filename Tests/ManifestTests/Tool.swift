import Foundation
import TestSupport
import Testing

/// A program of a later Debian that `tools/test deploy` fetches.
enum Tool: String {
    case promtool = "NACRE_PROMTOOL"
    case kustomize = "NACRE_KUSTOMIZE"
    /// kubectl 1.20, of tools/kube-lab.
    case oldKubectl = "NACRE_OLD_KUBECTL"

    static let lack: Comment = "needs programs of a later Debian: run tools/test deploy"

    var path: String? { ProcessInfo.processInfo.environment[rawValue] }

    /// Runs it; returns its output, and whether it succeeded.
    func run(_ words: [String], input: String? = nil) async throws -> (text: String, isWell: Bool) {
        let log = "/tmp/nacre-tool-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: log) }
        var program = try #require(path)
        var words = words
        if let input {
            words =
                ["-c", "program=$1 input=$2; shift 2; exec \"$program\" \"$@\" < \"$input\"", "sh", program, input]
                + words
            program = "/bin/sh"
        }
        let process = try ChildProcess(program, words, log: log)
        let end = try await process.end(within: .seconds(120))
        return ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "", end == .exited(0))
    }
}

/// Runs `body` with a new directory.
func inDirectory<R>(_ body: (URL) async throws -> R) async throws -> R {
    let directory = FileManager.default.temporaryDirectory.appending(path: "nacre-deploy-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    return try await body(directory)
}
