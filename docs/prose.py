#!/usr/bin/env python3
"""Finds sentences over 30 words, and retired words, in Markdown and in the rustdoc of src.

    python3 docs/prose.py [ROOT]

Prints `file:line: why: text` for each, then two figures. Exits 1 if there is any. Text in code blocks
and in backticks is not looked at. A colon or a semicolon ends a sentence; what is in brackets does not count.
CONTRIBUTING.md, "Style", has the rules: 25 words are the aim, and 30 what this script accepts.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
MOST = 30
RETIRED = {
    r"wish(es|ed|ing)?": "intent, request",
    r"who(m|so)?ever": "the client that, a member that, who",
    r"somebody('s)?": "a client, a member, another participant",
    r"one's": "own, this participant's",
    r"told": "notified, reported, stated",
    r"lies?|lying": "is at, is stored at",
    r"afresh": "again, anew",
    r"life|lives": "run",
    r"words?": "statement, answer",
}
# File, text that the sentence contains, reason.
EXCEPTIONS = [
    ("CONTRIBUTING.md", "Do not write wish", "the rule itself names the words"),
    ("CONTRIBUTING.md", "At most 25 words in a sentence", "words of text"),
    ("tests/README.md", 'mutants "help at once, whoever it is"', "the name of a mutant in the simulation"),
]
# Files that are not mended yet: nothing in them is counted.
NOT_YET = []


def paragraphs(numbered):
    """Returns paragraphs, headings, list items and table cells, each as (line number, text) pairs."""
    out, lines, code = [], [], False

    def flush():
        if lines:
            out.append([*lines])
        lines.clear()

    for number, line in numbered:
        line = line.strip()
        if line.startswith("```"):
            code = not code
            flush()
        elif code:
            continue
        elif not line or line.startswith(("![", "---")) or re.match(r"\[[^\]]+\]: ", line):
            flush()
        elif line.startswith("#"):
            flush()
            lines.append((number, line.lstrip("# ")))
            flush()
        elif line.startswith("|"):
            flush()
            for cell in re.split(r"(?<!\\)\|", line.strip("|")):
                lines.append((number, cell.strip()))
                flush()
        else:
            item = re.match(r"([-*]|\d+\.) +", line)
            if item:
                flush()
                line = line[item.end():]
            lines.append((number, line))
    flush()
    return out


def rustdoc(text):
    """Returns the paragraphs of a Rust file's documentation."""
    out, block = [], []
    for number, line in enumerate(text.splitlines() + [""], 1):
        comment = re.match(r"\s*//[/!](?!/) ?(.*)", line)
        if comment:
            block.append((number, comment.group(1)))
        else:
            out += paragraphs(block)
            block = []
    return out


def blank(match):
    return " " * len(match.group())


def sentences(lines):
    """Returns (line number, text, what of it counts for the length) for each sentence of a paragraph."""
    text = " ".join(text for _, text in lines)
    starts, at = [], 0
    for number, line in lines:
        starts.append((at, number))
        at += len(line) + 1
    # Each replacement keeps the length, so that a place in one text is the same place in the others.
    seen = re.sub(r"(`+)(.+?)\1", lambda match: "c" * len(match.group()), text)
    seen = re.sub(r"\]\([^)]*\)", blank, seen)
    counted = re.sub(r"\([^)]*\)", blank, seen)
    begin = 0
    ends = [match.end() for match in re.finditer(r"[.!?:;][*\"')]*(?=\s)", counted)]
    for end in ends + [len(text)]:
        if text[begin:end].strip():
            first = begin + len(text[begin:end]) - len(text[begin:end].lstrip())
            yield first, text[begin:end].strip(), seen[begin:end], counted[begin:end], begin, starts
        begin = end


def line_at(starts, place):
    return [number for at, number in starts if at <= place][-1]


def files():
    """Returns the documents and the source files, by their path from the root."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "tests/README.md", ROOT / "vectors/README.md"]
    found += ROOT.glob("src/**/*.rs")
    return sorted((path.relative_to(ROOT).as_posix() for path in found), key=lambda path: (path.endswith(".rs"), path))


def main():
    long = retired = 0
    used = set()
    for path in files():
        if path in NOT_YET:
            continue
        text = (ROOT / path).read_text()
        blocks = rustdoc(text) if path.endswith(".rs") else paragraphs(enumerate(text.splitlines(), 1))
        for lines in blocks:
            for first, sentence, seen, counted, begin, starts in sentences(lines):
                excused = [entry for entry in EXCEPTIONS if entry[0] == path and entry[1] in sentence]
                words = [word for word in counted.split() if re.search(r"\w", word)]
                bad = []
                if len(words) > MOST:
                    bad.append((first, f"{len(words)} words", True))
                for word, instead in RETIRED.items():
                    for match in re.finditer(rf"(?<![\w-])({word})(?![\w-])", seen, re.IGNORECASE):
                        bad.append((begin + match.start(), f"{match.group()} (say: {instead})", False))
                if bad and excused:
                    used.update(excused)
                    continue
                for place, why, is_long in bad:
                    long += is_long
                    retired += not is_long
                    print(f"{path}:{line_at(starts, place)}: {why}: {sentence}")
    for entry in EXCEPTIONS:
        if entry not in used and entry[0] not in NOT_YET:
            print(f"docs/prose.py: exception that excuses nothing: {entry[0]}: {entry[1]}")
            retired += 1
    print(f"figure prose_sentences_over_30 {long} sentences")
    print(f"figure prose_retired_words {retired} words")
    return 1 if long or retired else 0


if __name__ == "__main__":
    sys.exit(main())
