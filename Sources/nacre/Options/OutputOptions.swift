import ArgumentParser

/// How results are shown.
struct OutputOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "How results are written; wide is the table with all columns.")
    var output = OutputFormat.table

    @Flag(
        name: .shortAndLong,
        help:
            """
            No progress and no notes; list and create print volume ids alone. A list that lacks a pool, or a cluster that did \
            not answer, ends with an error.
            """
    )
    var quiet = false
}

/// The forms of results; the keys of the last two do not change.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    case table
    case wide
    case json
    case yaml
}
