"""`python -m bench.lines [REVISION ...]`: lines and files of each room at git revisions, and now."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lnf.plan.config import ROOT

Sizes = dict[str, tuple[int, int]]
"""Room -> (files, lines)."""
OTHERS = ("rules without priors, Snakefile", "tests", "lnf")


def main(revisions: Sequence[str]) -> None:
    """Print a Markdown table: a row for each room, a column for each revision."""
    columns = [(revision, _sizes(_at(revision))) for revision in revisions] + [("now", _sizes(_now()))]
    rooms = sorted({room for _, sizes in columns for room in sizes} - set(OTHERS))
    print(f"| room | {' | '.join(f'{name}: files | lines' for name, _ in columns)} |")
    print(f"| --- | {' | '.join('---: | ---:' for _ in columns)} |")
    for room in [*rooms, *reversed(OTHERS)]:
        cells = [sizes.get(room, (0, 0)) for _, sizes in columns]
        print(f"| {room} | {' | '.join(f'{files} | {lines}' for files, lines in cells)} |")


def _sizes(files: Iterator[tuple[str, str]]) -> Sizes:
    sizes: Sizes = {}
    for name, text in files:
        for room in _rooms(Path(name)):
            count, lines = sizes.get(room, (0, 0))
            sizes[room] = count + 1, lines + len(text.splitlines())
    return sizes


def _rooms(path: Path) -> list[str]:
    top = path.parts[0]
    if top == "lnf" and path.suffix == ".py":
        return ["lnf", f"lnf/{path.parts[1]}" if len(path.parts) > 2 else "lnf/*.py"]
    if path.name == "Snakefile" or (top == "rules" and path.parts[1] != "priors"):
        return [OTHERS[0]]
    return ["tests"] if top == "tests" and path.suffix == ".py" else []


def _now() -> Iterator[tuple[str, str]]:
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    there = (name for name in listed if _rooms(Path(name)) and (ROOT / name).exists())
    return ((name, (ROOT / name).read_text(encoding="utf-8")) for name in there)


def _at(revision: str) -> Iterator[tuple[str, str]]:
    listed = _git("ls-tree", "-r", "--name-only", revision).splitlines()
    return ((name, _git("show", f"{revision}:{name}")) for name in listed if _rooms(Path(name)))


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout


if __name__ == "__main__":
    main(sys.argv[1:])
