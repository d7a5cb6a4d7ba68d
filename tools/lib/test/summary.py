"""What a run of `swift test` did, from its xunit file and its log.

usage: summary.py KIND XUNIT LOG EXIT-STATUS
Prints for the reader, and as its last line for tools/test: PASSED FAILED SKIPPED
"""
import re
import sys
import xml.etree.ElementTree as ElementTree


def started_and_not_ended(log):
    """Tests under way when the process died: the crash is in one of them."""
    open_tests = []
    for line in log.splitlines():
        if m := re.match(r"◇ Test (?!case |run )(.*) started\.$", line):
            open_tests.append(m.group(1))
        elif m := re.match(r"\S Test (?!case |run )(.*?)(?: with \d+ test cases?)? (?:passed|failed|was cancelled) ", line):
            if m.group(1) in open_tests:
                open_tests.remove(m.group(1))
    return open_tests


def whole_file(xunit):
    """The file's test cases; None when a process that died left no file, or half of one."""
    try:
        return list(ElementTree.parse(xunit).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return None


def main():
    kind, xunit, log_path, status = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    with open(log_path, encoding="utf-8", errors="replace") as file:
        log = file.read()
    cases = whole_file(xunit)
    if cases is None:
        print(f"{kind}: the test process ended before its tests did (swift test: exit status {status})")
        for name in started_and_not_ended(log):
            print(f"  under way: {name}")
        print("0 1 0")
        return
    passed = failed = 0
    skipped = []
    for case in cases:
        name = f"{case.get('classname')}/{case.get('name')}"
        if (reason := case.find("skipped")) is not None:
            skipped.append((name, (reason.text or "").strip() or "gives no reason"))
        elif case.find("failure") is not None:
            failed += 1
            print(f"{kind}: failed: {name}")
            for failure in case.findall("failure"):
                print(f"  {failure.get('message')}")
        else:
            passed += 1
    for name, reason in skipped:
        print(f"{kind}: skipped: {name}: {reason}")
    in_tables = sum(int(n) for n in re.findall(r"^\S Test (?!case |run ).* with (\d+) test cases? (?:passed|failed)", log, re.M))
    # Tables of which a half ran: Tests/TestSupport/KillTable.swift.
    for line in dict.fromkeys(re.findall(r"^kills: (.+)$", log, re.M)):
        print(f"{kind}: {line}")
    print(f"{kind}: {passed} passed, {failed} failed, {len(skipped)} skipped"
          + (f"; {in_tables} cases in tables" if in_tables else ""))
    if passed + failed == 0:
        print(f"{kind}: no test ran, and a kind that ran nothing has failed")
        failed = 1
    elif status != 0 and failed == 0:
        print(f"{kind}: swift test ended with exit status {status}, though no test failed")
        failed = 1
    elif status == 0 and any(reason == "gives no reason" for _, reason in skipped):
        print(f"{kind}: a skipped test must say what it lacks")
        failed += 1
    print(passed, failed, len(skipped))


main()
