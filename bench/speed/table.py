"""`make bench`: every case in a process of its own, next to its lower bound, and which target is reached."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from bench.speed import measurement, rates
from bench.speed.cases import EPOCH, Case, cases
from bench.speed.rates import Rates
from lnf.errors import UserError
from lnf.flows import compiled
from lnf.models.base import build_model
from lnf.plan.config import ROOT
from lnf.runs.machine import processor, slow_precision
from lnf.spec import Spec
from lnf.system import provenance
from lnf.system.files import read_json, replacing, write_json

REPEATS = 3
CASE = ("what", "setting", "prior", "batch", "samples", "length", "dtype")
"""The columns that identify a row."""
DRIFT = 0.05
"""That a floor may change while its case is measured."""
TRIES = 3
"""Measurements of a case until its floor stays."""
BUSY = 0.15
"""The share of the machine that others may take when it begins."""
LIMIT_S = 900.0
HEAD = f"{'case':50} {'seconds':>9} {'floor':>9} {'over':>6} {'peak':>6} {'MiB':>7}  target"


@dataclass(frozen=True)
class Wish:
    """What is measured and how: words that a case has, threads, how many processes at once, a folder of other sources,
    a file for the table, a file for profiles.
    """

    only: Sequence[str]
    threads: int
    processes: int
    against: Path | None
    out: Path | None
    profiles: Path | None = None


def bench(wish: Wish) -> None:
    """Measure, print the table, and write it to `wish.out` as JSON. Raises UserError if nothing is left to measure."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = [case for case in cases(device.type == "cuda") if all(word in case.key.split() for word in wish.only)]
    if not chosen:
        raise UserError(f"bench: --only {' '.join(wish.only)}: no such case; words are, for instance, ptb af_af train")
    chosen = list(_not_emulated(chosen, device))
    _require_same_setting(wish, device)
    _tell_if_busy()
    torch.set_num_threads(wish.threads)
    inverses = "compiled" if compiled.available() else "plain: numba finds no compiler"
    print(f"{wish.threads} threads on {device}, {wish.processes} at once; inverses: {inverses}\n{HEAD}", flush=True)
    rows: list[dict[str, Any]] = []
    profiles: list[str] = []
    for case in chosen:
        row, profile = _steady_row(case, wish, device)
        rows.append(row)
        print(_line(case, rows[-1], _float32_of(rows[-1], rows)), flush=True)
        profiles.append(f"{case.key}, {wish.threads} threads: {row['seconds']:.4f} s without the profiler\n{profile}")
        _write(wish, device, rows, profiles)
    unsteady = [row for row in rows if row["drift"] > DRIFT]
    if unsteady:
        print(f"lnf: bench: ~: the machine's own rates changed by up to {max(row['drift'] for row in unsteady):.0%}"
              f" around {len(unsteady)} of {len(rows)} cases, {TRIES} times over: not a quiet machine")  # fmt: skip
    for path in filter(None, (wish.out, wish.profiles)):
        print(f"lnf: {path}")


def _not_emulated(chosen: Sequence[Case], device: torch.device) -> Iterator[Case]:
    """The cases that the machine has instructions for; a line says what is left out. Raises UserError if nothing is
    left.
    """
    left_out = slow_precision("bfloat16", device, processor()) is not None
    measured = [case for case in chosen if not (left_out and case.precision == "bfloat16")]
    if not measured:
        raise UserError("bench: bfloat16: this processor has no instructions for it; measure float32, or elsewhere")
    if len(measured) < len(chosen):
        print("lnf: bench: bfloat16 is left out: this processor has no instructions for it", flush=True)
    yield from measured


def _write(wish: Wish, device: torch.device, rows: list[dict[str, Any]], profiles: list[str]) -> None:
    if wish.out is not None:
        write_json(wish.out, {"rows": [*_others(wish.out, rows), *rows], **_setting(wish, device)})
    if wish.profiles is not None:
        head = f"Revision {provenance.revision(ROOT).text}, PyTorch {torch.__version__}, {provenance.machine()}\n"
        with replacing(wish.profiles) as scratch:
            scratch.write_text("\n".join([head, *profiles]), encoding="utf-8")


def _setting(wish: Wish, device: torch.device) -> dict[str, Any]:
    """What all rows of a table share."""
    return {"threads": wish.threads, "processes": wish.processes, "device": _name(device),
            "machine": provenance.machine(), "versions": provenance.versions()}  # fmt: skip


def _others(out: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that a table has of other cases: each has its own revision and time."""
    measured = [{name: row[name] for name in CASE} for row in rows]
    before = read_json(out)["rows"] if out.exists() else []
    return [row for row in before if {name: row[name] for name in CASE} not in measured]


def _require_same_setting(wish: Wish, device: torch.device) -> None:
    """Raise UserError if a table is there whose rows were measured otherwise."""
    before = read_json(wish.out) if wish.out is not None and wish.out.exists() else {}
    differ = [name for name, value in _setting(wish, device).items() if before and before.get(name) != value]
    if differ:
        raise UserError(f"bench: --json {wish.out}: its rows have other {', '.join(differ)}; a new file would be right")


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _steady_row(case: Case, wish: Wish, device: torch.device) -> tuple[dict[str, Any], str | None]:
    """A row during which the machine's rates stayed, or else the steadiest of several; and its profile."""
    found: list[tuple[dict[str, Any], str | None]] = []
    while len(found) < TRIES and all(row["drift"] > DRIFT for row, _ in found):
        found.append(_row(case, wish, device))
    return min(found, key=lambda one: float(one[0]["drift"]))


def _row(case: Case, wish: Wish, device: torch.device) -> tuple[dict[str, Any], str | None]:
    spec, asked = case.spec, case.asked(wish.threads, REPEATS, wish.profiles is not None)
    parameters, needed = _parameters(case, spec), case.work(spec)
    before = _rates(case, device)
    ours = _measured(asked, None, wish.processes)
    after = _rates(case, device)
    floors = [case.floor(needed, found, parameters) for found in (before, after)]
    seconds, floor, found = statistics.median(ours["seconds"]), sum(floors) / 2, before.mean(after)
    row = {"what": case.what, "setting": case.setting.name, "prior": case.prior, "batch": case.batch,
           "samples": case.samples, "length": case.length, "dtype": case.precision, "seconds": seconds,
           "floor_seconds": floor, "over_floor": seconds / floor,
           "over_peak": seconds / (needed.total / found.large), "peak_mb": ours["peak_mb"],
           "drift": 1 - min(floors) / max(floors), "rates": asdict(found), "target": case.target,
           "faster_target": case.faster_target, "peak_target": case.peak_target,
           "repeats": len(ours["seconds"]), "revision": provenance.revision(ROOT).text,
           "when": time.time()}  # fmt: skip
    if case.steps_an_epoch is not None:
        row["epoch_seconds"] = case.steps_an_epoch * seconds / wish.processes
        if device.type == "cuda" and case.setting.name == "ptb" and case.prior in EPOCH:
            row["epoch_target"] = EPOCH[case.prior]
    if wish.against is not None:
        row |= _against(asked, wish.against, wish.processes)
    return row, ours["profile"]


def _against(asked: dict[str, Any], sources: Path, processes: int) -> dict[str, Any]:
    """What other sources take for the same, or why they cannot do it."""
    try:
        return {"against_seconds": statistics.median(_measured(asked, sources, processes)["seconds"])}
    except UserError as problem:
        return {"against_failed": str(problem)}


def _rates(case: Case, device: torch.device) -> Rates:
    torch.set_float32_matmul_precision("high" if case.precision == "tfloat32" else "highest")
    return rates.measure(case.rows, device, torch.bfloat16 if case.precision == "bfloat16" else torch.float32)


def _float32_of(row: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The row of the same case whose products are not taken in bfloat16."""
    if row["dtype"] != "bfloat16":
        return None
    same = [one for one in rows if one is not row and all(one[name] == row[name] for name in CASE[:-1])]
    return same[-1] if same else None


def _line(case: Case, row: dict[str, Any], float32: dict[str, Any] | None) -> str:
    steady = " " if row["drift"] <= DRIFT else "~"
    line = f"{case.key:50} {row['seconds']:9.4f} {row['floor_seconds']:9.4f} {row['over_floor']:6.2f}{steady}"
    line += f"{row['over_peak']:6.1f} {row['peak_mb']:7.0f}  "
    return line + "; ".join(_verdicts(row, float32))


def _verdicts(row: dict[str, Any], float32: dict[str, Any] | None) -> Iterator[str]:
    """What is said of a row: each target, and whether it is reached."""
    if row["target"] is not None:
        yield f"{row['target']:g} {'reached' if row['over_floor'] <= row['target'] else 'not reached'}"
    if row["peak_target"] is not None:
        yield f"{row['peak_target']:.0f} MiB {'reached' if row['peak_mb'] <= row['peak_target'] else 'not reached'}"
    if float32 is not None:
        times, aim = float32["seconds"] / row["seconds"], row["faster_target"]
        judged = "" if aim is None else f", {aim:g} {'reached' if times >= aim else 'not reached'}"
        yield f"{times:.2f} x as fast as {float32['dtype']}{judged}"
    if "epoch_target" in row:
        aim, seconds = row["epoch_target"], row["epoch_seconds"]
        yield f"epoch {seconds:.0f} s, {aim:g} {'reached' if seconds <= aim else 'not reached'}"
    if "against_seconds" in row:
        other = row["against_seconds"]
        yield f"{row['seconds'] / other:.2f} x the other's {other:.4f} s"
    if "against_failed" in row:
        yield f"the other: {row['against_failed']}"


def _measured(asked: dict[str, Any], sources: Path | None, processes: int) -> dict[str, Any]:
    """What a process of its own measured, with this lnf or that of another folder; the slowest of those at once."""
    root = sources or ROOT
    environment = os.environ | {"PYTHONPATH": str(root.absolute())}
    command = [sys.executable, measurement.__file__, json.dumps(asked)]
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        for _ in range(processes)
    ]
    try:
        return max((_result(process) for process in started), key=lambda found: statistics.median(found["seconds"]))
    finally:
        for process in started:
            process.kill()
            process.wait()


def _result(process: "subprocess.Popen[str]") -> dict[str, Any]:
    output, errors = process.communicate(timeout=LIMIT_S)
    if process.returncode != 0:
        raise UserError(f"bench: {(errors.strip().splitlines() or ['no output'])[-1]}")
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def _parameters(case: Case, spec: Spec) -> int:
    with torch.device("meta"):
        model = build_model(spec, case.setting.shape(spec.kind))
    return sum(parameter.numel() for parameter in model.parameters())


def _tell_if_busy() -> None:
    share = psutil.cpu_percent(interval=1.0) / 100
    if share > BUSY:
        print(
            f"lnf: bench: others take {share:.0%} of this machine; its figures are not those of a quiet one", flush=True
        )
