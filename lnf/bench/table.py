"""`make bench`: every case in a process of its own, beside its floor, and which target is reached."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from lnf.bench import measurement, rates
from lnf.bench.cases import Case, cases
from lnf.bench.rates import Rates
from lnf.errors import UserError
from lnf.models.build import build_model
from lnf.spec import Spec
from lnf.system import provenance
from lnf.system.files import write_json

REPEATS = {"train": 3, "nll": 3, "sample": 3}
DRIFT = 0.05
"""That the machine's rates may change while it is measured."""
BUSY = 0.15
"""The share of the machine that others may take when it begins."""
LIMIT_S = 900.0
HEAD = f"{'case':44} {'seconds':>9} {'floor':>9} {'over':>6} {'peak':>6} {'MiB':>7}  target"


@dataclass(frozen=True)
class Wish:
    """What is measured and how: words that a case has, threads, a folder of other sources, a file for the table."""

    only: Sequence[str]
    threads: int
    against: Path | None
    out: Path | None


def bench(wish: Wish) -> None:
    """Measure, print the table, and write it to `wish.out` as JSON. Raises UserError if nothing is left to measure."""
    chosen = [case for case in cases() if all(word in case.key.split() for word in wish.only)]
    if not chosen:
        raise UserError(f"bench: --only {' '.join(wish.only)}: no such case; words are, for instance, ptb af_af train")
    _tell_if_busy()
    torch.set_num_threads(wish.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    counts = {case.rows for case in chosen}
    before = rates.measure(counts, device)
    print(_rates(before, wish.threads), flush=True)
    print(HEAD, flush=True)
    rows = [_row(case, before, wish) for case in chosen]
    drift = before.drift(rates.measure(counts, device))
    steady = drift <= DRIFT
    print(f"rates before and after differ by {drift:.1%}{'' if steady else ': not a quiet machine, measure again'}")
    if wish.out is not None:
        write_json(wish.out, {"rows": rows, "rates": _plain(before), "drift": drift, "steady": steady,
                              "threads": wish.threads, "device": str(device), "revision": provenance.revision(),
                              "machine": provenance.machine(), "versions": provenance.versions(),
                              "when": time.time()})  # fmt: skip
        print(f"lnf: {wish.out}")


def _row(case: Case, found: Rates, wish: Wish) -> dict[str, Any]:
    spec = case.spec
    told = case.told(wish.threads, REPEATS[case.what])
    ours = _measured(told, None)
    seconds = statistics.median(ours["seconds"])
    floor, operations = case.floor(spec, found, _parameters(case, spec)), case.work(spec).total
    row = {"what": case.what, "setting": case.setting.name, "prior": case.prior, "batch": case.batch,
           "samples": case.samples, "length": case.length, "dtype": "float32", "seconds": seconds,
           "floor_seconds": floor, "over_floor": seconds / floor, "over_peak": seconds / (operations / found.large),
           "peak_mb": ours["peak_mb"], "target": case.target}  # fmt: skip
    line = f"{case.key:44} {seconds:9.4f} {floor:9.4f} {row['over_floor']:6.2f} {row['over_peak']:6.1f}"
    line += f" {ours['peak_mb']:7.0f}  {_verdict(row)}"
    if wish.against is not None:
        other = statistics.median(_measured(told, wish.against)["seconds"])
        row["against_seconds"] = other
        line += f"  {seconds / other:.2f} x the other's {other:.4f} s"
    print(line, flush=True)
    return row


def _verdict(row: dict[str, Any]) -> str:
    if row["target"] is None:
        return ""
    return f"{row['target']:g} {'reached' if row['over_floor'] <= row['target'] else 'not reached'}"


def _measured(told: dict[str, Any], sources: Path | None) -> dict[str, Any]:
    """What a process of its own measured, with this lnf or that of another folder."""
    root = sources or Path(measurement.__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root.absolute())}
    done = subprocess.run(
        [sys.executable, measurement.__file__, json.dumps(told)],
        env=environment, capture_output=True, encoding="utf-8", timeout=LIMIT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise UserError(f"bench: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
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


def _rates(found: Rates, threads: int) -> str:
    step = ", ".join(f"[{rows},500]x[500,2000] {rate / 1e9:.0f}" for rows, rate in found.step.items())
    return f"{threads} threads; GFLOP/s: large {found.large / 1e9:.0f}; {step}; copy {found.copy / 1e9:.1f} GB/s"


def _plain(found: Rates) -> dict[str, Any]:
    return {"large": found.large, "copy": found.copy, "step": {str(rows): rate for rows, rate in found.step.items()}}
