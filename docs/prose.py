#!/usr/bin/env python3
"""Finds sentences over 30 words, and retired words, in Markdown, in comments, and in the names of tests.

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
    r"trials?": "staged commit",
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


def comments(text):
    """Returns the paragraphs of a Rust file's documentation and comments, and the names of its tests as sentences."""
    out, block, kind, is_test = [], [], None, False
    for number, line in enumerate(text.splitlines() + [""], 1):
        comment = re.match(r"\s*(///?|//!)(?!/) ?(.*)", line)
        if block and (not comment or comment.group(1) != kind):
            out += paragraphs(block)
            block = []
        if comment:
            kind = comment.group(1)
            block.append((number, comment.group(2)))
            continue
        behind = re.match(r"[^\"']*[^\"':/] // (.*)", line)
        if behind:
            out += paragraphs([(number, behind.group(1))])
        is_test |= bool(re.match(r"\s*#\[(tokio::)?test\b", line))
        name = re.match(r"\s*(?:async )?fn (\w+)", line)
        if name:
            if is_test:
                out.append([(number, name.group(1).replace("_", " "))])
            is_test = False
    return out


def blank(match):
    return " " * len(match.group())


def findings(lines):
    """Returns (line number, why, is it about the length, sentence) for each thing that is wrong in a paragraph."""
    text = " ".join(text for _, text in lines)
    starts, at = [], 0
    for number, line in lines:
        starts.append((at, number))
        at += len(line) + 1

    def line_of(place):
        return [number for at, number in starts if at <= place][-1]

    # Each replacement keeps the length, so that a place in one text is the same place in the others.
    seen = re.sub(r"(`+)(.+?)\1", lambda match: "c" * len(match.group()), text)
    seen = re.sub(r"\]\([^)]*\)", blank, seen)
    counted = re.sub(r"\([^)]*\)", blank, seen)
    ends = [match.end() for match in re.finditer(r"[.!?:;][*\"')]*(?=\s)", counted)]
    for begin, end in zip([0] + ends, ends + [len(text)]):
        sentence = text[begin:end].strip()
        words = [word for word in counted[begin:end].split() if re.search(r"\w", word)]
        if len(words) > MOST:
            first = end - len(text[begin:end].lstrip())
            yield line_of(first), f"{len(words)} words", True, sentence
        for word, instead in RETIRED.items():
            for match in re.finditer(rf"(?<![\w-])({word})(?![\w-])", seen[begin:end], re.IGNORECASE):
                yield line_of(begin + match.start()), f"{match.group()} (say: {instead})", False, sentence


def files():
    """Returns the documents and the source files, by their path from the root."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "tests/README.md", ROOT / "vectors/README.md"]
    found += [*ROOT.glob("docs/bindings/*.md"), *ROOT.glob("bindings/README.md"), *ROOT.glob("crates/*/README.md")]
    # What cbindgen makes has the sentences of the Rust files.
    for ending in ("c", "h", "cpp", "hpp"):
        found += [path for path in ROOT.glob(f"bindings/c/**/*.{ending}") if path.name != "moq_mls.h"]
    found += [path for path in ROOT.glob("**/*.rs") if "target" not in path.relative_to(ROOT).parts]
    return sorted((path.relative_to(ROOT).as_posix() for path in found), key=lambda path: (not path.endswith(".md"), path))


def main():
    long = retired = 0
    used = set()
    for path in files():
        if path in NOT_YET:
            continue
        text = (ROOT / path).read_text()
        blocks = comments(text) if not path.endswith(".md") else paragraphs(enumerate(text.splitlines(), 1))
        for line, why, is_long, sentence in (found for lines in blocks for found in findings(lines)):
            excused = [entry for entry in EXCEPTIONS if entry[0] == path and entry[1] in sentence]
            used.update(excused)
            if not excused:
                long += is_long
                retired += not is_long
                print(f"{path}:{line}: {why}: {sentence}")
    needless = [entry for entry in EXCEPTIONS if entry not in used and entry[0] not in NOT_YET]
    for path, sentence, _ in needless:
        print(f"{path}:1: an exception of docs/prose.py that excuses nothing: {sentence}")
    print(f"figure prose_sentences_over_30 {long} sentences")
    print(f"figure prose_retired_words {retired} words")
    return 1 if long or retired or needless else 0


if __name__ == "__main__":
    sys.exit(main())
