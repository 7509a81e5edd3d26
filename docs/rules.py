#!/usr/bin/env python3
"""Checks the rules of docs/protocol.md against their table, and the table against the repository.

Run it from any directory: `python3 docs/rules.py`. It prints two figures, or names what is wrong and exits with 1.
A test is `path::function`, or `none`. A test that is ignored shows nothing. What docs/draft.md names must exist, too.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "| draft section | rule | module | test |"
RULE = re.compile(r"^\*\*(R-\d+)\*\*(?: `\[([^\]]+)\]`)?", re.MULTILINE)
REFERENCE = re.compile(r"\bR-\d+\b")


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table_of(text):
    """Returns the text before the table, and the rows of the table."""
    before, found, after = text.partition(HEADER)
    if not found:
        sys.exit("docs/protocol.md has no table")
    rows = []
    for line in after.splitlines()[2:]:
        if not line.startswith("|"):
            break
        rows.append(cells(line))
    return before, rows


def what_is_wrong_with_test(test):
    """Returns why a test does not exist or does not run, or None."""
    path, separator, function = test.partition("::")
    if not separator:
        return "is no `path::function`"
    file = ROOT / path
    if not file.is_file():
        return "is in a file that does not exist"
    lines = file.read_text(encoding="utf-8").splitlines()
    definition = re.compile(rf"\bfn {re.escape(function)}\s*[(<]")
    at = next((n for n, line in enumerate(lines) if definition.search(line)), None)
    if at is None:
        return "is a function that does not exist"
    while at > 0 and lines[at - 1].strip().startswith(("#[", "//")):
        at -= 1
        if lines[at].strip().startswith("#[ignore"):
            return "is ignored"
    return None


def what_is_wrong_with_draft(names):
    """Lists what docs/draft.md names and is not there."""
    text = (ROOT / "docs" / "draft.md").read_text(encoding="utf-8")
    wrong = [f"draft.md: {name} is no rule" for name in sorted(set(REFERENCE.findall(text)) - set(names))]
    for code in sorted(set(re.findall(r"`([^`]+)`", text))):
        if "::" in code:
            fault = what_is_wrong_with_test(code)
            if fault:
                wrong.append(f"draft.md: test {code} {fault}")
        elif code.endswith((".rs", ".md")) and not (ROOT / code).is_file():
            wrong.append(f"draft.md: {code} does not exist")
    return wrong


def main():
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    before, rows = table_of(text)
    rules = RULE.findall(before)
    marks, wrong = dict(rules), []
    names = [name for name, _ in rules]
    wrong += [f"{name} is defined twice" for name in sorted(set(names)) if names.count(name) > 1]
    wrong += [f"{name} has no mark of its origin" for name, mark in rules if not mark]
    listed = [row[1] for row in rows if len(row) == 4]
    wrong += [f"a row without four cells: {row}" for row in rows if len(row) != 4]
    wrong += [f"{name} is missing in the table" for name in names if name not in listed]
    wrong += [f"{name} has {listed.count(name)} rows" for name in sorted(set(listed)) if listed.count(name) > 1]
    wrong += [f"{name} is in the table and not in the text" for name in listed if name not in marks]
    referred = set(REFERENCE.findall(before))
    wrong += [f"{name} is referred to and not defined" for name in sorted(referred - set(names))]
    with_test = 0
    for section, name, modules, test in (row for row in rows if len(row) == 4):
        if name in marks and section != marks[name]:
            wrong.append(f"{name} is of `{section}` in the table and of `{marks[name]}` in the text")
        for module in modules.split(","):
            path = module.strip().strip("`")
            if not path or not (ROOT / path).is_file():
                wrong.append(f"{name}: module {path} does not exist")
        test = test.strip("`")
        if test != "none":
            fault = what_is_wrong_with_test(test)
            if fault:
                wrong.append(f"{name}: test {test} {fault}")
            else:
                with_test += 1
    wrong += what_is_wrong_with_draft(names)
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return 1
    print(f"figure docs_rules {len(names)} rules")
    print(f"figure docs_rules_with_test {with_test} rules")
    return 0


if __name__ == "__main__":
    sys.exit(main())
