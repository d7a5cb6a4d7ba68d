public import ArgumentParser
internal import ExactText

/// A shell's completion script of ArgumentParser, which knows subcommands by their names alone, with their other names too.
public struct CompletionScript: CustomStringConvertible {
    /// The script.
    public let description: String

    /// Adds the other names to a script; what follows `help` is completed too, in bash.
    ///
    /// - Parameters:
    ///   - script: What ArgumentParser wrote, for bash, zsh or fish.
    ///   - root: The program's command.
    public init(_ script: String, of root: any ParsableCommand.Type) {
        var commands: [String: any ParsableCommand.Type] = [:]
        Self.gather(root, "_\(root._commandName)", into: &commands)
        var command: (any ParsableCommand.Type)?
        // In fish there is one function for all: the place in it is where its cases are.
        var cases: [(indent: Int, command: any ParsableCommand.Type)] = []
        var lines: [String] = []
        for line in script.parts(at: "\n") {
            let text = line.drop { $0 == " " }
            let (indent, space) = (line.count - text.count, String(repeating: " ", count: line.count - text.count))
            if text.endsExactly(with: "() {") {
                command = commands[String(text.dropLast(4))]
                lines.append(line)
                if text.isExactly("_\(root._commandName)_help() {") { lines += Self.help(root) }
                continue
            }
            if text.startsExactly(with: "case '"), text.endsExactly(with: "'") {
                cases.removeAll { $0.indent >= indent }
                let name = String(text.dropFirst(6).dropLast())
                let parent = cases.last?.command
                let found =
                    parent.map { $0.configuration.subcommands.first { $0._commandName.isExactly(name) } }
                    ?? (name.isExactly(root._commandName) ? root : nil)
                if let found { cases.append((indent, found)) }
            }
            switch text {
            case "local -r subcommand=\"${unparsed_words[0]}\"":
                lines.append("\(space)local subcommand=\"${unparsed_words[0]}\"")
                lines += Self.renaming(command, "\(space)case \"${subcommand}\" in", "\(space)esac") { aliases, name in
                    "\(space)\(aliases.joined(separator: "|"))) subcommand=\(name) ;;"
                }
            case "case \"${words[1]}\" in":
                lines += Self.renaming(command, line, "\(space)esac") { aliases, name in
                    "\(space)\(aliases.joined(separator: "|"))) words[1]=\(name) ;;"
                }
                lines.append(line)
            case "switch $unparsed_tokens[1]":
                cases.removeAll { $0.indent >= indent }
                lines += Self.renaming(cases.last?.command, line, "\(space)end") { aliases, name in
                    "\(space)case \(aliases.joined(separator: " "))\n\(space)    set unparsed_tokens[1] \(name)"
                }
                lines.append(line)
            default: lines.append(line)
            }
        }
        description = lines.joined(separator: "\n")
    }

    private static func gather(
        _ command: any ParsableCommand.Type,
        _ function: String,
        into found: inout [String: any ParsableCommand.Type]
    ) {
        found[function] = command
        for subcommand in command.configuration.subcommands {
            gather(subcommand, "\(function)_\(subcommand._commandName)", into: &found)
        }
    }

    /// The lines that put a command's name in place of another of its names; nothing where there is none.
    private static func renaming(
        _ command: (any ParsableCommand.Type)?,
        _ begin: String,
        _ end: String,
        _ line: ([String], String) -> String
    ) -> [String] {
        let named = (command?.configuration.subcommands ?? []).filter { !$0.configuration.aliases.isEmpty }
        guard !named.isEmpty else { return [] }
        return [begin] + named.map { line($0.configuration.aliases, $0._commandName) } + [end]
    }

    /// What bash completes after `help`: the commands, and theirs.
    private static func help(_ root: any ParsableCommand.Type) -> [String] {
        [
            "    local words=(\"${unparsed_words[@]}\")", "    [[ ${#words[@]} -gt 0 ]] && unset 'words[-1]'",
            "    case \"${words[*]}\" in",
        ] + choices(root, []) + ["    esac"]
    }

    /// The lines that offer what follows a command, and what follows its subcommands.
    private static func choices(_ command: any ParsableCommand.Type, _ path: [String]) -> [String] {
        let shown = command.configuration.subcommands.filter { $0.configuration.shouldDisplay }
        guard !shown.isEmpty else { return [] }
        let names = shown.map { $0._commandName }.joined(separator: " ")
        var lines = ["    '\(path.joined(separator: " "))') COMPREPLY+=($(compgen -W '\(names)' -- \"${cur}\")) ;;"]
        for subcommand in shown { lines += choices(subcommand, path + [subcommand._commandName]) }
        return lines
    }
}
