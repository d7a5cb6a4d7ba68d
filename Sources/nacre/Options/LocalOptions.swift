import ArgumentParser

/// Where this machine's side of volumes is kept.
struct LocalOptions: ParsableArguments {
    @Option(
        help: "Where this command keeps what it mapped; the service's own (NACRE_STATE_DIR).",
        completion: .directory
    )
    var stateDir = Environment.value("NACRE_STATE_DIR") ?? "/var/lib/nacre"

    @Option(help: "Where devices show up (NACRE_RUN_DIR).", completion: .directory)
    var runDir = Environment.value("NACRE_RUN_DIR") ?? "/run/nacre"

    /// What is mapped and mounted on this machine.
    var uses: LocalUses { LocalUses(stateDirectory: stateDir, runDirectory: runDir) }
}
