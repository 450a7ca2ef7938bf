"""What a step says at its start and at its end."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from lnf.app.steps import first_line, last_line
from lnf.plan.run import Run
from lnf.runs import machine
from lnf.system.files import write_json
from tests.specs import tiny_spec
from tests.tiny_corpus import context

LACKS = {"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}
UNKNOWN: Mapping[str, bool] = {}


@pytest.mark.parametrize("step", ["train", "evaluate"])
def test_a_run_that_diverged_gives_no_number(step: str, tmp_path: Path) -> None:
    spec = tiny_spec("af_af")
    write_json(tmp_path / "run.json", {"status": "diverged", "stopped": "loss not finite after 3 smaller steps"})
    said = last_line(step, Run(spec, context(spec), tmp_path / "data", "e1"), tmp_path)  # type: ignore[arg-type]
    assert said == f"lnf: {spec.key}: diverged: loss not finite after 3 smaller steps; {tmp_path / 'run.json'}"


@pytest.mark.parametrize(
    ("precision", "device", "can", "slow"),
    [
        ("bfloat16", "cpu", LACKS, True),
        ("float32", "cpu", LACKS, False),
        ("bfloat16", "cuda", LACKS, False),
        ("bfloat16", "cpu", UNKNOWN, False),
        *(("bfloat16", "cpu", LACKS | {name: True}, False) for name in machine.BFLOAT16),
    ],
)
def test_a_run_whose_precision_is_emulated_says_so_first(
    precision: str, device: str, can: Mapping[str, bool], slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "processor", lambda: can)
    monkeypatch.setattr(machine, "device_of", lambda _: torch.device(device))
    spec = tiny_spec("af_af")
    said = first_line(spec.replace(model=spec.model.replace(precision=precision)))
    assert (said is not None) == slow
    assert not slow or str(said).startswith(f"lnf: {spec.key}: model.precision: bfloat16: this processor has no ")


def test_pytorch_names_the_instructions_that_are_looked_for() -> None:
    """Where it tells of a processor at all: a name that it does not know would have every processor emulate."""
    known = machine.processor()
    if known:
        assert known.keys() & set(machine.BFLOAT16), sorted(known)
