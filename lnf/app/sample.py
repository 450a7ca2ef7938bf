"""`lnf sample`: sequences that a trained run draws, reconstructs or interpolates, as files to read, see and hear."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lnf.corpora import loading, store
from lnf.corpora.loading import Split
from lnf.errors import UserError
from lnf.kinds.base import kind_of
from lnf.models.base import FROM_THE_MODEL, Sampling, SequenceModel
from lnf.models.latent import LatentModel
from lnf.plan.jobs import SPEC
from lnf.plan.origin import other_code
from lnf.report.samples import media
from lnf.runs import checkpoint, sampling
from lnf.runs.evaluation import score
from lnf.runs.machine import device_of
from lnf.spec import Spec
from lnf.system.files import read_json, write_json
from lnf.units import nats_in


@dataclass(frozen=True)
class Wish:
    """What is to be drawn: how many sequences, of which length (None: lengths from p(T)), with which seed, how, and
    the text that all begin with.
    """

    n: int
    length: int | None
    seed: int
    how: Sampling
    prompt: str = ""


def sample(name: str, wish: Wish, data: Path | None, out: Path) -> None:
    """Write samples of a run, given by its folder or name, to `out`, with samples.json: how they were drawn, how likely
    each is.

    No likelihood is given unless they are drawn from the model itself. Raises UserError for what cannot be drawn.
    """
    run = _Trained.read(name, data)
    model = run.model
    shortest = int(model.batch([wish.prompt]).lengths_B[0]) if wish.prompt and model.vocabulary else 1
    _require_possible(wish, model)
    if wish.length is None:
        lengths = sampling.draw_lengths(model, wish.n, wish.seed, shortest)
    else:
        lengths = torch.full((wish.n,), wish.length)
    model.to(run.device)
    drawn = sampling.draw(model, lengths, wish.seed, run.device, wish.how, wish.prompt)
    written = media.write(out, "samples", drawn, run.script)
    likelihood = None if wish.prompt else _likelihood(model, drawn, run.spec, wish.how, run.device)
    facts = {"n": wish.n, "seed": wish.seed, **asdict(wish.how), "prompt": wish.prompt,
             "lengths": [len(x) for x in drawn], "likelihood": likelihood}  # fmt: skip
    run.note(out, facts)
    print(f"lnf: {wish.n} samples of {run.spec.key} in {out}: {written[0].name}{' ...' if len(written) > 1 else ''}")


def reconstruct(name: str, rows: Sequence[int], seed: int, data: Path | None, out: Path) -> None:
    """Write test sequences of the given numbers, and what the model makes of a draw from their posteriors, to `out`.

    Raises UserError for a model without a latent, and for a number that test does not have.
    """
    run = _Trained.read(name, data)
    model, test = run.latent("--reconstruct"), run.test(rows)
    spec = run.spec.replace(sample=run.spec.sample.replace(seed=seed))
    back = sampling.reconstruct(model.to(run.device), test, range(len(rows)), spec, run.device)
    written = media.write(out, "originals", test.sequences, run.script)
    written += media.write(out, "reconstructions", back, run.script)
    run.note(out, {"test": list(rows), "seed": seed})
    print(f"lnf: {len(rows)} reconstructions of {run.spec.key} in {out}: {written[0].name} ... {written[-1].name}")


def between(name: str, rows: Sequence[int], n: int, data: Path | None, out: Path) -> None:
    """Write the likeliest sequences of n latents on the line between the posterior means of two test sequences, both
    cut to the shorter one's length. Raises UserError as `reconstruct` does.
    """
    run = _Trained.read(name, data)
    model, test = run.latent("--between"), run.test(rows)
    if n < 2:
        raise UserError(f"sample: --n {n}: 2 or more would be right with --between")
    steps = min(map(len, test.sequences))
    pair = loading.Split([x[:steps] for x in test.sequences], {}, test.width).batch([0, 1], run.spec.kind)
    drawn = sampling.sequences_of(model.to(run.device).interpolated(pair.to(run.device), n), model)
    written = media.write(out, "between", drawn, run.script)
    run.note(out, {"test": list(rows), "n": n})
    print(f"lnf: {n} sequences between two of {run.spec.key} in {out}: {written[0].name}")


@dataclass(frozen=True)
class _Trained:
    """A trained run that was found by its name: its folder and model, and the folder of its corpus (None: unknown)."""

    folder: Path
    model: SequenceModel
    spec: Spec
    digests: Mapping[str, str]
    data: Path | None

    @classmethod
    def read(cls, name: str, data: Path | None) -> "_Trained":
        folder = checkpoint.find(name).parent
        model, spec, document = checkpoint.load(folder / "model.pt")
        if (other := other_code(document, spec)) is not None:
            print(f"lnf: {folder / 'model.pt'}: {other}", flush=True)
        if data is None and (folder / SPEC).exists():
            data = Path(read_json(folder / SPEC)["data"])
        return cls(folder, model, spec, document["digests"], data)

    @property
    def device(self) -> torch.device:
        return device_of(self.spec.resources.gpus)

    @property
    def script(self) -> media.Script:
        """How its sequences are written. The symbols of a model.pt of an earlier revision are those of its corpus."""
        vocabulary = self.model.vocabulary
        if vocabulary is None and kind_of(self.spec.kind).symbols:
            vocabulary = tuple(store.read_meta(self._corpus("has the symbols"))["vocabulary"])
        return media.Script(self.spec.kind, vocabulary, self.model.shape.separator, self.spec.sample.step_seconds)

    def latent(self, option: str) -> LatentModel:
        """The model, if it has a latent."""
        if not isinstance(self.model, LatentModel):
            raise UserError(f"sample: {option}: {self.spec.prior.label} has no latent")
        return self.model

    def test(self, rows: Sequence[int]) -> loading.Split:
        """Test sequences of the given numbers."""
        split = loading.load(self._corpus("has test"), self.spec).splits["test"]
        for row in rows:
            if not 0 <= row < len(split):
                raise UserError(f"sample: test sequence {row}: there are {len(split)}, from 0")
        return loading.Split([split.sequences[row] for row in rows], {}, split.width)

    def note(self, out: Path, facts: Mapping[str, Any]) -> None:
        """Write OUT/samples.json: whose sequences they are, and how they were made."""
        write_json(out / "samples.json", {"run": str(self.folder), "digests": self.digests, **facts})

    def _corpus(self, what: str) -> Path:
        if self.data is None or not (self.data / store.META).exists():
            place = self.data or self.folder
            raise UserError(f"sample: {place}: no {store.META}, which {what}; name the corpus with --data")
        return self.data


def _require_possible(wish: Wish, model: SequenceModel) -> None:
    if wish.n < 1:
        raise UserError(f"sample: --n {wish.n}: 1 or more would be right")
    if not 0 < wish.how.temperature < float("inf"):
        raise UserError(f"sample: --temperature {wish.how.temperature}: a number above 0 would be right")
    if wish.prompt and model.vocabulary is None:
        raise UserError(f"sample: --prompt: a model of {model.kind} has no symbols; prompts are for text")
    if wish.length is not None and not 1 <= wish.length <= model.max_length:
        raise UserError(f"sample: --length {wish.length}: the model knows lengths from 1 to {model.max_length}")


def _likelihood(
    model: SequenceModel, drawn: list[np.ndarray], spec: Spec, how: Sampling, device: torch.device
) -> dict[str, Any] | None:
    """-log p(x|T) of each sample in the unit of tables a step; None for what was not drawn from the model itself."""
    if how != FROM_THE_MODEL:
        return None
    unit, nats = model.shape.unit, nats_in(model.shape.unit)
    scores = score(model, Split(drawn, {}, model.width), spec, device)
    values = -scores.log_prob_given_length / scores.length / nats
    estimator = {"estimator": "exact"} if model.exact else {"estimator": "importance", "k": spec.evaluate.samples}
    return {"metric": "nll_given_length", "unit": unit, **estimator, "values": values.tolist()}
