"""Results of other code, kept where a run that was trained again shows that the code still gives the same bits.

The proof is a run of the same variant and kind of data that stands twice: as the other code made it, and as today's
code made it again, with equal histories byte for byte (and equal scores, for its evaluation). Then the other runs of
that code are taken over to the names that today's code gives them; run.json says so, and the tables mark them. Where
only the code of a corpus' reader is other, a corpus of the same bytes, prepared by it, is the proof.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnf.plan.results import SPLITS, TOLD, Plan
from lnf.plan.run import EVALUATED, Run
from lnf.system.files import read_json, replacing, sha256_of, try_read_json, write_json
from lnf.system.parquet import metadata_of, read_table, write_table


@dataclass(frozen=True)
class Older:
    """A finished run of the same spec and data as one of today's, made by other code."""

    folder: Path
    facts: dict[str, Any]

    @property
    def evaluation(self) -> str:
        """The digest of its evaluation, as it was told."""
        told = self.folder / TOLD
        return str(read_json(told)["evaluation"]) if told.exists() else ""

    @property
    def scores(self) -> list[Path]:
        """Its evaluation's files."""
        return [self.folder / f"{what}-{self.evaluation}.parquet" for what in EVALUATED]


@dataclass(frozen=True)
class Proof:
    """A run that today's code made again to the same bytes; `evaluation` is the older one that it also repeated."""

    run: Run
    older: Older
    evaluation: str | None


Code = tuple[str, str, str]
"""Prior, kind of data, digest of the other code."""


def keep(plan: Plan) -> None:
    """Take over what is proved, and print a line for each run that is kept and for each variant that lacks a proof."""
    proofs: dict[Code, Proof] = {}
    for run, older in _pairs(plan):
        other_code = older.facts["digests"]["code"] != run.context.digests["code"]
        if not other_code:
            proofs[_code(run, older)] = Proof(run, older, None)
        elif _made_again(run) and _same_bytes(run.folder, older.folder, "history.parquet"):
            proofs[_code(run, older)] = Proof(run, older, _repeated(run, older))
    lacking: dict[Code, Run] = {}
    for run, older in _pairs(plan):
        proof = proofs.get(_code(run, older))
        if proof is None:
            lacking.setdefault(_code(run, older), run)
        elif not (run.folder / "run.json").exists():
            _take_over(run, older, proof)
    for (prior, kind, _), run in lacking.items():
        print(
            f"lnf: keep: {prior} on {kind}: no run of today's code equals an older one; make one: {run.folder}/run.json"
        )
    if not proofs and not lacking:
        print(f"lnf: keep: {plan.name}: no results of other code that today's configuration asks for")


def _pairs(plan: Plan) -> Iterator[tuple[Run, Older]]:
    """Each planned run with each other one of its spec and data."""
    for run in plan.runs:
        for file in sorted(run.place.glob("*/run.json")):
            if (facts := try_read_json(file)) is None:
                continue
            found, wanted = facts["digests"], run.context.digests
            same_data = found["data"] == wanted["data"] or _equal_corpora(run.data, found["data"])
            if found != wanted and found["spec"] == wanted["spec"] and same_data:
                yield run, Older(file.parent, facts)


def _made_again(run: Run) -> bool:
    """Whether today's code has trained the run itself: what was kept proves nothing."""
    file = run.folder / "run.json"
    return file.exists() and "kept" not in read_json(file)


def _code(run: Run, older: Older) -> Code:
    return run.spec.prior.name, run.spec.kind, older.facts["digests"]["code"]


def _equal_corpora(data: Path, other: str) -> bool:
    """Whether a corpus that other code of its reader prepared has the same sequences of the same symbols."""
    folders = (data, data.parent / other)
    if not all((folder / "meta.json").exists() for folder in folders):
        return False
    metas = [read_json(folder / "meta.json") for folder in folders]
    same_symbols = all(metas[0][key] == metas[1][key] for key in ("kind", "width", "vocabulary"))
    return same_symbols and all(_same_bytes(*folders, name) for name in SPLITS if name.endswith(".arrow"))


def _same_bytes(one: Path, other: Path, name: str) -> bool:
    paths = [one / name, other / name]
    return all(path.exists() for path in paths) and len({sha256_of(path) for path in paths}) == 1


def _repeated(run: Run, older: Older) -> str | None:
    """The digest of the older evaluation if today's has the same rows."""
    pairs = list(zip(run.evaluated, older.scores, strict=True))
    if not all(path.exists() for pair in pairs for path in pair):
        return None
    same = all(read_table(one).equals(read_table(other)) for one, other in pairs)
    return older.evaluation if same else None


def _take_over(run: Run, older: Older, proof: Proof) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    for name in ("model.pt", "history.parquet"):
        with replacing(run.folder / name) as scratch:
            _link(older.folder / name, scratch)
    scored = older.evaluation in (run.evaluation, proof.evaluation) and all(path.exists() for path in older.scores)
    for source, target in zip(older.scores, run.evaluated, strict=True) if scored else ():
        _rename_scores(source, target, run)
    made = older.facts.get("kept", older.facts)["digests"]
    kept = {"digests": made, "from": str(older.folder), "proof": [str(proof.older.folder), str(proof.run.folder)],
            "history": sha256_of(proof.older.folder / "history.parquet")}  # fmt: skip
    write_json(run.folder / "run.json", {**older.facts, "digests": run.context.digests, "kept": kept})
    how = "with" if scored else "without"
    print(f"lnf: keep: {run.spec.key}: {older.folder.name} kept as {run.digest}, {how} its scores")


def _rename_scores(source: Path, target: Path, run: Run) -> None:
    """Copy a file of scores to the name that today's code gives it, in its metadata too."""
    table = read_table(source)
    write_table(target, table, {**metadata_of(table), "run": run.digest, "evaluation": run.evaluation})


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)  # a model may be large
    except OSError:  # another file system, or one without links
        shutil.copy(source, target)
