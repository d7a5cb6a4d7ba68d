import Foundation
import Synchronization
import TestSupport
import VolumeAPI

/// One sequence on one crew: does what the plan says, tells the models, and gathers what must not be.
actor SequenceRun {
    let plan: Plan
    let crew: Crew
    var volumes: [Volume]
    var models: [VolumeModel]
    var isDeleted: [Bool]
    /// A volume of the other Kubernetes cluster, once there is one.
    var theirs: Volume?
    var violations: [Violation] = []
    /// What happened, for whoever reads of a failure.
    private(set) var story: [String] = []
    private let start = ContinuousClock.now
    private var random: SeededRandom
    /// Faults that last, and writes that are under way.
    var underWay: [Task<Void, Never>] = []
    private var befallen = [Int](repeating: 0, count: Plan.nodes)
    private var standstills = 0

    /// How long a call may take while faults come and go.
    static let patience = Duration.seconds(15)
    /// How long everything may take once they are over.
    static let limit = Duration.seconds(180)

    init(_ plan: Plan, _ crew: Crew) {
        self.plan = plan
        self.crew = crew
        random = SeededRandom(seed: ~plan.seed)
        let tag = String(UInt32.random(in: 0...UInt32.max), radix: 36)
        volumes = plan.volumes.enumerated().map { Volume("r\(plan.seed)-\(tag)-\($0.offset)", $0.element) }
        models = volumes.map { VolumeModel($0.name) }
        isDeleted = volumes.map { _ in false }
    }

    /// Runs it and returns what must not have been.
    func run() async -> [Violation] {
        do {
            try crew.setClocks()
            try await crew.makeClone(plan.hasClone)
            for index in volumes.indices {
                try await converge("create \(volumes[index].name)") { try await self.create(index) }
            }
            for step in plan.steps where violations.isEmpty && !isDeleted[step.volume] {
                try await take(step)
            }
            try await settle()
        } catch let violation as Violation {
            report(violation)
        } catch {
            report(.stuck(what: "the run itself", message: "\(error)"))
        }
        for task in underWay { await task.value }
        return violations
    }

    func note(_ line: String) {
        let time = (ContinuousClock.now - start) / .seconds(1)
        story.append(String(format: "%7.2f s  ", time) + line)
    }

    func report(_ violation: Violation) {
        note("VIOLATION \(violation)")
        violations.append(violation)
    }

    private func take(_ step: Step) async throws {
        note("\(step)")
        endanger(step.fault)
        var fault: Task<Void, Never>?
        if let planned = step.fault {
            var own = SeededRandom(seed: random.next())
            fault = Task {
                try? await Task.sleep(for: .milliseconds(step.milliseconds))
                self.begin(planned)
                do { try await self.crew.befall(planned, &own) } catch { self.note("\(planned): \(error)") }
                self.end(planned)
            }
        }
        try await perform(step.action, step.volume)
        guard let fault else { return }
        if step.fault?.isLong == true { underWay.append(fault) } else { await fault.value }
    }

    private func begin(_ fault: Fault) {
        if let node = fault.endangered { befallen[node] += 1 }
        endanger(fault)
    }

    private func end(_ fault: Fault) {
        note("over: \(fault)")
        if let node = fault.endangered { befallen[node] -= 1 }
        endanger(fault)
        guard case .reboot(let node) = fault else { return }
        for index in models.indices { models[index].unstaged(on: node) }
    }

    /// Whoever may lose its volumes by a fault is not expected to have them any more.
    private func endanger(_ fault: Fault?) {
        for index in models.indices {
            if let node = fault?.endangered { models[index].isEndangered(on: node) }
            if case .freezeOSD = fault { for node in 0..<Plan.nodes { models[index].isEndangered(on: node) } }
        }
    }

    /// The same for what is going on right now, and for what other crews did to the OSD.
    func endangerNow() {
        let now = Crew.standstills.load(ordering: .sequentiallyConsistent)
        let isFrozen = now != standstills || !now.isMultiple(of: 2)
        standstills = now
        for index in models.indices {
            for node in 0..<Plan.nodes where isFrozen || befallen[node] > 0 { models[index].isEndangered(on: node) }
        }
    }

    /// Tries again and again; what does not come to pass with all faults over is a violation.
    func converge(_ what: String, _ body: () async throws -> Void) async throws {
        let end = ContinuousClock.now + Self.limit
        while true {
            do { return try await body() } catch let error as ConnectError {
                guard .now < end else { throw Violation.stuck(what: what, message: "\(error)") }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }
}

extension Fault {
    /// Whether what follows is to happen while it lasts.
    var isLong: Bool {
        switch self {
        case .cut(_, let milliseconds), .cutOneWay(_, let milliseconds), .pauseServers(_, let milliseconds):
            milliseconds > 2000
        default: false
        }
    }
}
