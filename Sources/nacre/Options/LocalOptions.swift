import ArgumentParser

/// Where this machine's side of volumes is kept.
struct LocalOptions: ParsableArguments {
    @Option(
        help: "Where this command keeps what it mapped; the service's own (NACRE_STATE_DIR).",
        completion: .directory
    )
    var stateDir = Self.stateDirectory

    @Option(help: "Where devices show up (NACRE_RUN_DIR).", completion: .directory)
    var runDir = Self.runDirectory

    /// What is mapped and mounted on this machine.
    var uses: LocalUses { LocalUses(stateDirectory: stateDir, runDirectory: runDir) }

    static var stateDirectory: String { Environment.value("NACRE_STATE_DIR") ?? "/var/lib/nacre" }
    static var runDirectory: String { Environment.value("NACRE_RUN_DIR") ?? "/run/nacre" }
}
