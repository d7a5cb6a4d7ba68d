// What the tests of nodes run in a process of its own: image servers, and services that are killed at a step.

import Glibc
import Logging
import NodeMapping
import Secrets

let words = CommandLine.arguments
if words.count > 1, words[1] == "image-server" { ImageServerProcess.main(readingConfigurationFrom: 0) }
let mapper = FuseLoopMapper(
    stateDirectory: words[2],
    serverCommand: ["/proc/self/exe", "image-server"],
    placement: .stay,
    logger: Logger(label: "x")
)
let image = ImageAddress(clusterID: "c", pool: "rbd", namespace: "", name: words[3])
let key = String(decoding: readKey(), as: UTF8.self)
func readKey() -> [UInt8] {
    let f = fopen("/tmp/c1/keys/client.csi-rbd-node.key", "r")!
    var b = [UInt8](repeating: 0, count: 40)
    let n = fread(&b, 1, 40, f)
    return Array(b[..<n])
}
do {
    switch words[1] {
    case "map":
        print(
            try mapper.map(
                image,
                monitors: ["127.0.0.1:41000"],
                credentials: Credentials(userID: "csi-rbd-node", userKey: Secret(key)),
                isReadOnly: false,
                observer: { print($0, $1) }
            )
        )
    case "grow": print(try mapper.grow(image))
    case "unmap": try mapper.unmap(image, observer: { print($0, $1) })
    default: print(try mapper.inspect())
    }
} catch { print("error:", error) }
