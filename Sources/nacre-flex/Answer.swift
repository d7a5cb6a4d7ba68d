import Glibc

/// The answer to kubelet: one JSON object on standard output, and an exit status.
///
/// kubelet reads standard output and standard error as one text, so nothing else may be printed by this program.
struct Answer {
    /// The object's bytes.
    let json: [UInt8]
    /// 0 for success; kubelet reads the object in both cases.
    let status: Int32

    /// An answer that is known in advance.
    init(json: StaticString, status: Int32) {
        self.json = json.withUTF8Buffer { Array($0) }
        self.status = status
    }

    /// An answer of the agent's.
    init(json: [UInt8], status: Int32) {
        self.json = json
        self.status = status
    }

    /// What went wrong; a person reads the message in the events of a pod.
    static func failure(_ message: String) -> Answer {
        Answer(json: Array(#"{"status":"Failure","message":""#.utf8) + escaped(message) + Array(#""}"#.utf8), status: 1)
    }

    /// kubelet caches this until the driver's file changes, so it must not be used for a temporary failure.
    static let notSupported = Answer(json: #"{"status":"Not supported"}"#, status: 1)

    /// No attach: a pod's volume is mounted without the controller manager; locks on the image exclude other nodes.
    static let capabilities = Answer(
        json: """
            {"status":"Success","capabilities":{"attach":false,"fsGroup":true,"requiresFSResize":true,\
            "selinuxRelabel":true,"supportsMetrics":true}}
            """,
        status: 0
    )

    /// Prints it and ends the program.
    func finish() -> Never {
        var rest = json[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0 {
                guard errno == EINTR else { break }
                continue
            }
            rest = rest.dropFirst(count)
        }
        _exit(status)
    }

    private static func escaped(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20, 0x7F: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return bytes
    }
}
