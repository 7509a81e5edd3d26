"""Runs the logs of a folder again through Python, in lockstep with the core: `replay.py FOLDER`.

It needs the build for tests.
"""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import moq_mls

native: Any = moq_mls._native


def main() -> None:
    """Replays each file. The first difference is an exception."""
    files = sorted(pathlib.Path(sys.argv[1]).glob("*.jsonl"))
    count = 0
    for file in files:
        try:
            count += native.replay(file.read_text())
        except RuntimeError as difference:
            sys.exit(f"{file}: {difference}")
    if count <= 100:
        sys.exit(f"only {count} actions in {len(files)} files")
    print(f"figure replay_python {len(files)} files")
    print(f"figure replay_python_actions {count} actions")


if __name__ == "__main__":
    main()
