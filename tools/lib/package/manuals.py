"""Writes manual pages from what a program says of itself: `PROGRAM --experimental-dump-help` of Swift's ArgumentParser.

usage: manuals.py DIR VERSION SECONDS < DUMP
A page for the program and for each command: nacre.1, nacre-volume-create.1. SECONDS since 1970 is their date.
"""
import datetime
import json
import os
import re
import sys


def escaped(text):
    """Plain text for troff; no line of it is taken for a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text).replace("'", "\\(aq").replace("`", "\\(ga")


def prose(text):
    """Paragraphs; those whose lines are indented, and the examples' lines, stay as they are."""
    out = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.split("\n")
        heading = re.match(r"^(EXAMPLES?|[A-Z][A-Za-z ]+:)$", lines[0])
        if heading and any(line.startswith(" ") for line in lines[1:]):
            word = heading.group(1).rstrip(":").upper()
            out += [f".SH {escaped(word)}", *verbatim(lines[1:])]
        elif any(line.startswith("  ") for line in lines):
            out += [".PP", *verbatim(lines)]
        else:
            out += [".PP", escaped("\n".join(line.strip() for line in lines))]
    return out


def verbatim(lines):
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [".nf", escaped("\n".join(line[margin:] for line in lines)), ".fi"]


def spelling(name):
    return ("--" if name["kind"] == "long" else "-") + name["name"]


def synopsis(argument):
    value = f"\\fI{escaped(argument.get('valueName', ''))}\\fR"
    if argument["kind"] == "positional":
        word = value
    else:
        word = f"\\fB{escaped(spelling(argument['preferredName']))}\\fR"
        if argument["kind"] == "option":
            word += f" {value}"
    if argument["isOptional"]:
        word = f"[{word}]"
    return word + ("..." if argument["isRepeating"] else "")


def entry(argument):
    names = [f"\\fB{escaped(spelling(name))}\\fR" for name in argument.get("names", [])]
    value = f"\\fI{escaped(argument.get('valueName', ''))}\\fR"
    if argument["kind"] == "positional":
        names = [value]
    elif argument["kind"] == "option":
        names[-1] += f" {value}"
    words = argument.get("abstract", "")
    if values := argument.get("allValues"):
        words += f" One of {', '.join(values)}."
    if default := argument.get("defaultValue"):
        words += f" Default: {default}."
    out = [".TP", ", ".join(names), escaped(words) or "\\&"]
    if more := argument.get("discussion"):
        out += [".IP", escaped(" ".join(more.split()))]
    return out


class Pages:
    def __init__(self, directory, version, seconds):
        self.directory, self.version = directory, version
        self.date = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d")

    def write(self, command, above):
        path = [*above, command["commandName"]]
        name, words = "-".join(path), " ".join(path)
        arguments = [a for a in command.get("arguments", []) if a["shouldDisplay"]]
        commands = [c for c in command.get("subcommands", []) if c["shouldDisplay"] and c["commandName"] != "help"]
        usage = " ".join([f"\\fB{escaped(words)}\\fR", *map(synopsis, arguments)])
        if commands:
            usage = f"\\fB{escaped(words)}\\fR \\fIcommand\\fR [\\fIargument\\fR...]"
        out = [f'.TH {name.upper()} 1 {self.date} "{path[0]} {self.version}" "User Commands"',
               ".SH NAME", f"{escaped(name)} \\- {escaped(command.get('abstract', '').rstrip('.'))}",
               ".SH SYNOPSIS", usage]
        text = prose(command.get("discussion", ""))
        # What follows the examples is read before them.
        first = next((i for i, line in enumerate(text) if line.startswith(".SH ")), len(text))
        if first:
            out += [".SH DESCRIPTION", *text[:first]]
        if commands:
            out.append(".SH COMMANDS")
            for one in commands:
                out += [".TP", f"\\fB{escaped(words)} {escaped(one['commandName'])}\\fR", escaped(one.get("abstract", ""))]
        sections = {}
        for argument in arguments:
            kind = "Arguments" if argument["kind"] == "positional" else "Options"
            sections.setdefault((argument.get("sectionTitle") or kind).upper(), []).append(argument)
        for title, members in sections.items():
            out.append(f".SH {escaped(title)}")
            for argument in members:
                out += entry(argument)
        out += text[first:]
        related = [f"\\fB{escaped(name)}\\-{escaped(c['commandName'])}\\fR(1)" for c in commands]
        if above:
            related.insert(0, f"\\fB{escaped('-'.join(above))}\\fR(1)")
        if related:
            out += [".SH SEE ALSO", ",\n".join(related)]
        with open(os.path.join(self.directory, f"{name}.1"), "w", encoding="utf-8") as f:
            f.write("\n".join(out) + "\n")
        for one in commands:
            self.write(one, path)


def main():
    directory, version, seconds = sys.argv[1:]
    os.makedirs(directory, exist_ok=True)
    Pages(directory, version, int(seconds)).write(json.load(sys.stdin)["command"], [])


main()
