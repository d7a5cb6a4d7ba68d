import Synchronization

/// The hosts that one sequence at a time runs on, and what befalls them now.
final class Crew: Sendable {
    let lab: Lab
    /// Another Kubernetes cluster, which all crews share.
    let neighbour: Neighbour
    let controller: Host
    let nodes: [Host]
    /// Set when the steps of the present sequence are done: then no fault needs to last longer.
    let isSettling = Atomic<Bool>(false)

    /// Hosts' numbers are in their network addresses, so no two crews may have the same ones.
    private static let numbers = Atomic<Int>(0)

    init(_ lab: Lab, _ neighbour: Neighbour) async throws {
        self.lab = lab
        self.neighbour = neighbour
        let first = Self.numbers.add(Plan.nodes + 1, ordering: .relaxed).oldValue
        controller = try Host(lab, "c\(first)", number: first, isNode: false)
        nodes = try (1...Plan.nodes).map { try Host(lab, "n\(first + $0)", number: first + $0, isNode: true) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for host in all { group.addTask { try await host.boot() } }
            try await group.waitForAll()
        }
    }

    var all: [Host] { [controller] + nodes }

    /// Sets all clocks right.
    func setClocks() throws {
        for host in all { try host.setClock(offBy: 0) }
    }

    /// Makes node 2 a copy of node 0, or a machine of its own again.
    func makeClone(_ isClone: Bool) async throws {
        let (original, copy) = (nodes[0], nodes[2])
        let (mine, other) = ("\(copy.directory)/state/host", "\(original.directory)/state/host")
        // The number is drawn when it is first needed, with a map; so that there is one, the original gets it here.
        let draw = "[ -s \(other) ] || cat /proc/sys/kernel/random/uuid > \(other)"
        let change = isClone ? "\(draw); cp \(other) \(mine)" : "cmp -s \(other) \(mine) && rm \(mine) || true"
        _ = try await Lab.run(["/bin/sh", "-c", change])
    }

    /// Takes all of it down, whatever it is in the midst of.
    func end() async {
        for host in all { try? await host.unplug() }
    }
}
