"""Checks of a configuration, each mistake one line: key, value, and what would be right."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.plan.code_digests import module_of
from lnf.plan.fitting import misfits
from lnf.plan.rule_files import Declared
from lnf.spec import PriorSpec, Spec


def check_names(values: Mapping[str, Any], declared: Declared) -> None:
    """Raise UserError if a corpus or prior is named that nothing defines, or whose rule file cannot be read."""
    corpora = values["corpora"]
    selected = values["select"]["priors"]
    for name, problem in declared.problems.items():
        if selected == "all" or name in selected:
            raise UserError(problem)
    priors = {**declared.variants, **declared.problems}
    named = [
        ("select.corpora", values["select"]["corpora"], corpora, "corpus"),
        ("select.priors", [] if selected == "all" else selected, priors, "prior"),
        ("priors", values["priors"], priors, "prior"),
        ("overrides.corpora", values["overrides"]["corpora"], corpora, "corpus"),
        ("overrides.priors", values["overrides"]["priors"], priors, "prior"),
    ]
    for key, names, known, what in named:
        for name in names:
            if name not in known:
                raise UserError(f"config: {key}: {name}: unknown {what}{suggest(name, known)}")


def check_sources(values: Mapping[str, Any]) -> None:
    """Raise UserError if the source of a selected corpus is no function."""
    for corpus in values["select"]["corpora"]:
        try:
            module_of(values["corpora"][corpus]["prepare"]["source"], "function")
        except UserError as problem:
            raise UserError(f"config: corpora.{corpus}.prepare.source: {problem}") from None


def check_selection(
    values: Mapping[str, Any], priors: Mapping[str, PriorSpec], runs: Sequence[tuple[str, str, int]]
) -> None:
    """Raise UserError if a selected corpus or prior would be in no run, which is never what was meant."""
    for corpus in values["select"]["corpora"]:
        if corpus not in {run[0] for run in runs}:
            roles = ", ".join(values["corpora"][corpus]["roles"])
            raise UserError(f"config: select.corpora: {corpus}: no selected prior has a role that it trains ({roles})")
    for prior in [] if values["select"]["priors"] == "all" else values["select"]["priors"]:
        if prior not in {run[1] for run in runs}:
            role = priors[prior].role
            raise UserError(f"config: select.priors: {prior}: no selected corpus trains its role ({role})")


def check_specs(specs: Iterable[Spec]) -> None:
    """Raise UserError if settings of planned runs do not fit together: one line with all that is wrong, once each."""
    found: dict[str, list[str]] = {}
    for spec in specs:
        for misfit in misfits(spec):
            found.setdefault(str(misfit), []).append(f"{spec.corpus}/{spec.prior.name}")
    lines = []
    for line, runs in found.items():
        first, *others = dict.fromkeys(runs)
        lines.append(f"{first}{f' and {len(others)} more' if others else ''}: {line}")
    if lines:
        raise UserError(f"config: {'; '.join(lines)}")


def check_paths(folders: Collection[Path]) -> None:
    """Raise UserError if a folder that will be written to cannot be: for a file, a dangling link, a missing right."""
    for folder in folders:
        for place in (folder, *folder.parents):
            if place.is_symlink() and not place.exists():
                target = place.readlink()
                raise UserError(f"{place}: is a link to {target}, which is not there; make that, or remove the link")
            if place.exists():
                _require_writable(place, folder)
                break


def _require_writable(place: Path, folder: Path) -> None:
    if not place.is_dir():
        raise UserError(f"{place}: is a regular file, and {folder} must be a folder; move the file away")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{place.absolute()}: cannot be written to; allow it, or work in another folder")


def suggest(name: str, known: Collection[str]) -> str:
    """`; did you mean X?`, or the known names if none is close."""
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
