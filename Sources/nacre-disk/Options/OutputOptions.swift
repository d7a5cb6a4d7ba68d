internal import ArgumentParser
internal import DiskZap
internal import JSON

/// How the progress of disks is told.
struct ProgressOptions: ParsableArguments {
    enum Form: String, ExpressibleByArgument, CaseIterable {
        case text, json
    }

    @Option(
        help: ArgumentHelp(
            "text, or json for programs: a line for each disk at each phase and every ten seconds, on standard error.",
            visibility: .default
        )
    )
    var progress: Form = .text
}

/// How results are shown.
struct OutputOptions: ParsableArguments {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, tree, json, yaml
    }

    @Option(name: [.short, .long], help: "How to show results.")
    var output: Format = .table

    /// Shows a report: as structured data for scripts, as `text` for people.
    func show(_ report: @autoclosure () -> JSONValue, _ text: (Format) -> String) {
        switch output {
        case .json: Console.result(report().pretty)
        case .yaml: Console.result(report().yaml)
        case .table, .tree: Console.result(text(output))
        }
    }
}
