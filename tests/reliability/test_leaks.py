"""Leaks and mistakes: the check of a variant says so in one line, and none of its runs is trained."""

from pathlib import Path
from typing import Any

import pytest

from lnf.app.command_line import main
from lnf.plan.run import Run
from lnf.system.files import write_json
from tests.laws import mutants
from tests.reliability.case import Case, acting
from tests.tiny_corpus import prepared

KIND = "Leaks and mistakes in a variant's mathematics"
UNTRAINED = "nothing: the variant's check fails, and none of its runs is trained"
OFF = "off by …, allowed …"
PAIR = "a pair of tensors [3, 5, 3] and [3, 5] was expected"


def leak(what: str, law: str, **parts: Any) -> Case:
    """A row whose variant is AF / SCF, or the LSTM, with these classes."""
    return Case(what, f"check: mutant: {law}", UNTRAINED, lambda: mutants.spec_of(**parts))


ROWS = [
    leak("not causal, only for T > 8", f"invertible: {OFF}", time=mutants.LooksAheadInLongSequences),
    leak("a wrong log-determinant for |z| > 6", f"log-determinant: {OFF}", time=mutants.WrongLogDetFarOut),
    leak("an inverse that stops at 8", f"invertible: {OFF}", time=mutants.ClampedInverse),
    leak(
        "wrong in float32 only",
        "the same in float32: off by … relatively, allowed 0.0001; usually: …",
        time=mutants.WrongInFloat32,
    ),
    leak("wrong in training mode only", f"the same in training mode: {OFF}", time=mutants.WrongInTraining),
    leak("wrong in more than four dimensions only", f"log-determinant: {OFF}", time=mutants.WrongInManyDimensions),
    leak("a mean over a batch of more than eight", f"model ignores padding: {OFF}", time=mutants.MixesLargeBatches),
    leak(
        "an exact model that is given x_t, on music",
        "samples agree: sequences are off by … standard errors, allowed 4.5; usually: …",
        model=mutants.SeesItsAnswerInMusic,
    ),
    leak(
        "an exact model that is given x_t, for t > 8",
        f"likelihoods sum to 1: {OFF}",
        model=mutants.SeesItsAnswerLate,
    ),
    leak(
        "an exact model whose samples forget what came before, for t > 8",
        f"features step by step: {OFF}; usually: …",
        model=mutants.ForgetsLate,
    ),
    leak(
        "a dotted path to a function",
        "time: tests.laws.mutants.a_function is a function; a class would be right",
        time=mutants.a_function,
    ),
    *(
        leak(
            f"a class of the wrong kind, for `{key}`",
            f"{key}: tests.laws.mutants.NoPrior is no {base}; a subclass of it would be right",
            **{key: mutants.NoPrior},
        )
        for key, base in (
            ("time", "lnf.flows.base.Prior"),
            ("hidden", "lnf.flows.base.HiddenFlow"),
            ("model", "lnf.models.base.SequenceModel"),
        )
    ),
    leak(
        "a constructor that takes other arguments",
        "time: OtherConstructor(hidden flow factory, …) cannot be made: TypeError: …",
        time=mutants.OtherConstructor,
    ),
    leak("a missing method", "NoWayBack.latent_steps: missing; its base class requires it", time=mutants.NoWayBack),
    leak(
        "a result of a wrong shape",
        "WrongShape.noise_steps: gives a tensor [3, 5, 3]; [3, 5] was expected",
        time=mutants.WrongShape,
    ),
    leak("NaN", "NotFinite.noise_steps: gives numbers that are not finite", time=mutants.NotFinite),
    leak(
        "an exception on the way",
        f"Breaks.noise_steps: ValueError: no luck (mutants.py:…); {PAIR}",
        time=mutants.Breaks,
    ),
    leak(
        "a transform without `parameters`",
        "NoParameters.parameters: None; how many numbers a scalar is transformed with, at least 1",
        transform=mutants.NoParameters,
    ),
    leak(
        "a transform without its inverse",
        "OneWay.to_latent: missing; (y, raw), a pair of tensors of y's shape was expected",
        transform=mutants.OneWay,
    ),
]


@pytest.mark.parametrize(**acting(ROWS))
def test_the_check_says_so_in_one_line(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert case.act is not None
    run = Run.from_dict({"spec": case.act().to_dict()}, prepared(tmp_path))
    write_json(tmp_path / "spec.json", run.to_dict())
    capsys.readouterr()
    assert main(["check", str(tmp_path / "spec.json")]) == 1
    said = capsys.readouterr()
    case.assert_seen(said.err)
    assert len(said.err.splitlines()) == 1 and not (tmp_path / "check.json").exists()
