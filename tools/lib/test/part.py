"""A part of the tests of a target, as a regular expression that follows "^TARGET." in a --filter.

usage: part.py TARGET K/N < the list of all tests
Tests are dealt out one by one in the order of their names, so that each part has some of every larger suite.
"""
import re
import sys


def main():
    target = sys.argv[1] + "."
    number, count = (int(word) for word in sys.argv[2].split("/"))
    names = sorted({line.strip().removeprefix(target) for line in sys.stdin if line.startswith(target)})
    chosen = names[number - 1::count]
    # An empty filter would take all tests.
    if not chosen:
        sys.exit(f"cannot take part {number} of {count}: the list has {len(names)} tests of {sys.argv[1]}")
    print("(" + "|".join(map(re.escape, chosen)) + ")")


main()
