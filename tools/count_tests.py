#!/usr/bin/env python3
"""Counts the test cases of a meson test log. Last line: "N passed, N failed"; exit status 1 if any failed or none ran."""
import json
import pathlib
import re
import sys

SUMMARY = re.compile(r"^\[doctest\] test cases:.*\| *(\d+) passed \| *(\d+) failed", re.M)


def counts(test):
    """(passed, failed) of one program: its doctest summary, or 1 for a script. A crash or a leak is a failure."""
    ok = test["returncode"] == 0 and test["result"] == "OK"
    found = SUMMARY.search(test.get("stdout", ""))
    if not found:
        return (1, 0) if ok else (0, 1)
    passed, failed = map(int, found.groups())
    return passed, failed if ok else max(failed, 1)


def main():
    log = pathlib.Path(sys.argv[1])
    tests = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    passed = failed = 0
    for test in tests:
        p, f = counts(test)
        passed += p
        failed += f
        if f:
            print(f"failed: {test['name']} ({f}, exit status {test['returncode']})")
    if not tests:
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
