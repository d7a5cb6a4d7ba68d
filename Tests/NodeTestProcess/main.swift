// What the tests of nodes run in a process of its own: image servers, and services that are killed at a step.

import Glibc
import ImageMapping
import ImageServing
import NodeMapping
import NodeTestSupport
import Volumes

/// Ends without exit(3): it takes librados' libraries down while its threads still run.
func leave(_ status: Int32) -> Never {
    fflush(nil)
    _exit(status)
}

let words = CommandLine.arguments
if words.dropFirst().first == "image-server" { ImageServerProcess.main(readingConfigurationFrom: 0) }
if words.dropFirst().first == "latency", words.count == 4 {
    try printMapLatency(of: words[2], rounds: Int(words[3]) ?? 1)
    leave(0)
}
guard words.count == 6 || words.count == 7 else {
    print(
        """
        usage: NodeTestProcess image-server
               NodeTestProcess latency IMAGE ROUNDS
               NodeTestProcess DIRECTORY up|down IMAGE FSTYPE STEP [MAPPER]
        """
    )
    leave(64)
}
var lab = try NodeLab(directory: words[1], placement: .stay)
if words.count == 7, let mapper = MapperKind(rawValue: words[6]) { lab.mappers = [mapper] }
let step = words[5]
do {
    try await lab.run(words[2], words[3], words[4] == "block" ? nil : words[4]) { entered in
        if entered.name == step { kill(getpid(), SIGKILL) }
    }
} catch {
    print(error)
    leave(1)
}
leave(0)
