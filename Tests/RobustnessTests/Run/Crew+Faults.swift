import Foundation
import Glibc
import Synchronization

extension Crew {
    /// Counts the beginnings and the ends of standstills of the OSD, which all crews share.
    static let standstills = Atomic<Int>(0)

    /// Does it; returns when it is over.
    func befall(_ fault: Fault, _ random: inout some RandomNumberGenerator) async throws {
        switch fault {
        case .killService(let node): Host.kill(nodes[node].processes(.service))
        case .killController: Host.kill(controller.processes(.service))
        case .killOneServer(let node):
            if let one = nodes[node].processes(.imageServer).randomElement(using: &random) { kill(one, SIGKILL) }
        case .killServers(let node): Host.kill(nodes[node].processes(.imageServer))
        case .pauseService(let node, let milliseconds):
            await Host.pause(nodes[node].processes(.service)) { await last(milliseconds) }
        case .pauseServers(let node, let milliseconds):
            await Host.pause(nodes[node].processes(.imageServer)) { await last(milliseconds) }
        case .cut(let node, let milliseconds):
            try await nodes[node].cable(isIn: false)
            await last(milliseconds)
            try await nodes[node].cable(isIn: true)
        case .cutOneWay(let node, let milliseconds):
            // The monitors and the OSD.
            try await nodes[node].mute(true, towards: ["10.77.0.1"])
            await last(milliseconds)
            try await nodes[node].mute(false, towards: ["10.77.0.1"])
        case .cutFromPeers(let node, let milliseconds):
            let peers = (nodes + [controller]).map(\.address).filter { $0 != nodes[node].address }
            try await nodes[node].mute(true, towards: peers)
            await last(milliseconds)
            try await nodes[node].mute(false, towards: peers)
        case .clock(let host, let hours):
            try (nodes + [controller])[host].setClock(offBy: hours)
            // Until all of its processes see it.
            await last(1200)
            // Its service has begun with that clock, as after a boot: what is due is looked up at the start.
            if host == Plan.nodes { Host.kill(controller.processes(.service)) }
        case .upgrade(let node): try await nodes[node].upgrade()
        case .reboot(let node):
            try await nodes[node].unplug()
            try await nodes[node].boot()
        case .freezeOSD(let milliseconds):
            Self.standstills.add(1, ordering: .sequentiallyConsistent)
            try await lab.freezeOSD(for: .milliseconds(milliseconds))
            Self.standstills.add(1, ordering: .sequentiallyConsistent)
        }
    }

    /// Waits as long as a fault lasts: until its time is over, or nothing more is to happen while it lasts.
    private func last(_ milliseconds: Int) async {
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        while .now < end, !isSettling.load(ordering: .relaxed) { try? await Task.sleep(for: .milliseconds(20)) }
    }

    /// Deletes files of a node's state directory while its service is down; what is mounted there stays.
    func forget(_ names: String, _ node: Int) async throws {
        let host = nodes[node]
        _ = FileManager.default.createFile(atPath: "\(host.directory)/hold", contents: nil)
        Host.kill(host.processes(.service))
        _ = try await host.inside("rm -rf --one-file-system \(host.directory)/state/\(names)")
        unlink("\(host.directory)/hold")
        try await host.answers()
    }
}

extension Fault {
    /// The node that may lose its volumes by it; nothing where it is to keep them.
    var endangered: Int? {
        switch self {
        case .killServers(let node), .cut(let node, _), .cutOneWay(let node, _), .reboot(let node): node
        case .pauseServers(let node, let milliseconds): milliseconds > 2000 ? node : nil
        // Nodes do not speak with each other, and nothing that keeps a volume goes by the time of day.
        case .killService, .killController, .killOneServer, .pauseService, .freezeOSD, .cutFromPeers, .clock, .upgrade:
            nil
        }
    }
}
