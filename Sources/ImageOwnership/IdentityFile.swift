internal import ExactText
internal import LinuxKernel

/// The file `host` of a state directory: a number in the first line, and by what it is known whose it is in the others.
struct IdentityFile {
    /// What stands in it.
    struct Content: Hashable {
        /// The number.
        var host: String
        /// The machine on which it was drawn: `dmi:UUID`, `machine-id:ID`.
        var machine: String?
        /// The Node object of Kubernetes: `node:UID`.
        var uid: String?
        /// The boot in which that was read, or in which an image was last mapped under the number: `boot:ID`.
        var bootID: String?
        /// The name of that Node object: `name:NAME`.
        var name: String?
        /// The uids that the Node object of that name had before, in that boot: `earlier:UID`.
        var earlier: [String] = []
        /// Another number is due, and could not be drawn because images were mapped under this one: `redraw:`.
        var isDue = false
    }

    private let path: String

    init(_ stateDirectory: String) { path = "\(stateDirectory)/host" }

    /// What stands in it; nothing when there is none, or an empty one.
    func read() throws(KernelError) -> Content? {
        let lines = (try FileKind.of(path) == nil ? "" : KernelFile.text(path)).parts(at: "\n", omittingEmpty: true)
        guard let host = lines.first else { return nil }
        var content = Content(host: host)
        for line in lines.dropFirst() {
            if line.startsExactly(with: "node:") {
                content.uid = String(line.dropFirst("node:".count))
            } else if line.startsExactly(with: "boot:") {
                content.bootID = String(line.dropFirst("boot:".count))
            } else if line.startsExactly(with: "name:") {
                content.name = String(line.dropFirst("name:".count))
            } else if line.startsExactly(with: "earlier:") {
                content.earlier.append(String(line.dropFirst("earlier:".count)))
            } else if line == "redraw:" {
                content.isDue = true
            } else if content.machine == nil {
                content.machine = line
            }
        }
        return content
    }

    /// Writes it, whole or not at all.
    func write(_ content: Content) throws(KernelError) {
        let lines =
            [
                content.host, content.machine, content.uid.map { "node:\($0)" }, content.bootID.map { "boot:\($0)" },
                content.name.map { "name:\($0)" }, content.isDue ? "redraw:" : nil,
            ] + content.earlier.map { "earlier:\($0)" }
        let text = lines.compactMap { $0.map { "\($0)\n" } }.joined()
        try KernelFile.replace(path, with: Array(text.utf8))
    }
}
