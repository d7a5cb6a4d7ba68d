import Glibc

/// The FlexVolume driver that kubelet runs, with the call's name and its arguments; the node agent does the work.
///
/// `init` is answered here at once, because kubelet holds a lock meanwhile. This program never sees a secret: the agent
/// reads the Secret that the volume names.
@main
enum NacreFlex {
    static func main() {
        let arguments = (1..<max(1, Int(CommandLine.argc))).compactMap { index -> [UInt8]? in
            guard let argument = CommandLine.unsafeArgv[index] else { return nil }
            return Array(UnsafeRawBufferPointer(start: argument, count: strlen(argument)))
        }
        answer(to: arguments).finish()
    }

    private static func answer(to arguments: [[UInt8]]) -> Answer {
        guard let call = arguments.first else {
            return .failure("this is Nacre's FlexVolume driver; kubelet runs it with a call, such as init")
        }
        switch String(decoding: call, as: UTF8.self) {
        case "init": return .capabilities
        // "ping" is not a call of kubelet: a probe uses it to check whether the agent answers.
        case "mount", "unmount", "expandfs", "ping": return AgentConnection.ofThisHost().call(arguments)
        default: return .notSupported
        }
    }
}
