import Foundation
import JSON
import KubernetesAPI
import Testing
import YAML

/// The files of `deploy/`, read as Kubernetes' objects.
enum Manifests {
    /// The top of the checkout.
    static var root: URL {
        var folder = URL(filePath: #filePath)
        while folder.lastPathComponent != "Tests" { folder.deleteLastPathComponent() }
        return folder.deletingLastPathComponent()
    }

    /// `deploy/`, or what is below it.
    static func file(_ path: String) -> URL { root.appending(path: "deploy/\(path)") }

    /// A page of the manual.
    static func manual(_ name: String) -> URL { root.appending(path: "Sources/Manual/Manual.docc/\(name).md") }

    static func text(_ path: String) throws -> String { try String(contentsOf: file(path), encoding: .utf8) }

    /// The documents of a YAML file.
    static func objects(_ path: String) throws -> [JSONValue] {
        try ("\n" + text(path)).components(separatedBy: "\n---").map { try JSONValue(parsingYAML: Array($0.utf8)) }
    }

    /// The objects of a kind in a file.
    static func objects(_ path: String, _ kind: String) throws -> [JSONValue] {
        try objects(path).filter { $0["kind"]?.string == kind }
    }

    /// All files below `deploy/` that git would add, by their paths there.
    static func files() throws -> [String] {
        let base = file("").standardizedFileURL.path
        return try FileManager.default.subpathsOfDirectory(atPath: base)
            .filter { path in
                var isDirectory: ObjCBool = false
                return FileManager.default.fileExists(atPath: "\(base)/\(path)", isDirectory: &isDirectory)
                    && !isDirectory.boolValue && !path.hasSuffix(".key")
            }
    }
}
