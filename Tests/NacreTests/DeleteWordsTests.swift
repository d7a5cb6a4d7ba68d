import Foundation
import TestSupport
import Testing

/// What delete says of a volume that was not there when it was looked for.
@Suite("The words of a delete")
struct DeleteWordsTests {
    /// A service that knows no volume, takes every delete, and notes each call.
    private static let script = """
        import http.server, socketserver, sys
        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *words): pass
            def answer(self, status, text):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                print(self.path, flush=True)
                if self.path.endswith("/ControllerGetVolume"):
                    return self.answer(404, b'{"code":"not_found","message":"volume does not exist"}')
                self.answer(200, b"{}")
            def do_GET(self):
                self.answer(200, b'{"parts":[{"name":"configuration","ok":true,"message":""},'
                                 b'{"name":"cluster/a","ok":true,"message":""}]}')
        Server(sys.argv[1], Handler).serve_forever()
        """

    @Test("Where it says that nothing was deleted, nothing was: somebody may make the volume just then")
    func nothing() async throws {
        let path = "/tmp/nacre-d\(UInt32.random(in: 0...UInt32.max))"
        let server = try ChildProcess("/usr/bin/python3", ["-c", Self.script, "\(path).sock"], log: "\(path).log")
        defer {
            server.send(SIGKILL)
            for part in ["sock", "log", "out"] { try? FileManager.default.removeItem(atPath: "\(path).\(part)") }
            try? FileManager.default.removeItem(atPath: path)
        }
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for (name, text) in [("userID", "admin"), ("userKey", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")] {
            try text.write(toFile: "\(path)/\(name)", atomically: true, encoding: .utf8)
        }
        try await eventually("the service answers", within: .seconds(30)) {
            FileManager.default.fileExists(atPath: "\(path).sock")
        }
        let handle = "a/rbd//csi-vol-8c897ba5-1a1d-4d9d-a6fb-948526940f5d"
        let command = try ChildProcess(
            NacreProcess.program,
            ["volume", "delete", handle, "--yes"],
            environment: [
                "NACRE_SOCKET": "\(path).sock", "NACRE_SECRET_DIR": path, "NACRE_STATE_DIR": "\(path)/state",
                "NACRE_RUN_DIR": "\(path)/run", "KUBECONFIG": "",
            ],
            log: "\(path).out"
        )
        let end = try await command.end(within: .seconds(60))
        let said = try String(contentsOfFile: "\(path).out", encoding: .utf8)
        #expect(end == .exited(0), "\(said)")
        #expect(said.contains("nothing was deleted") && said.contains("was looked for"), "\(said)")
        let calls = try String(contentsOfFile: "\(path).log", encoding: .utf8)
        #expect(calls.contains("/ControllerGetVolume"), "\(calls)")
        #expect(!calls.contains("/DeleteVolume"), "\(said)\(calls)")
    }
}
