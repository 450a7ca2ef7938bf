"""`lnf sample`: sequences drawn from a trained run, as files that people read, see and hear."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lnf.corpora import store
from lnf.corpora.loading import Split
from lnf.errors import UserError
from lnf.kinds.base import kind_of
from lnf.models.base import FROM_THE_MODEL, Sampling, SequenceModel
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
    run = checkpoint.find(name).parent
    model, spec, document = checkpoint.load(run / "model.pt")
    _require_possible(wish, model)
    if (other := other_code(document, spec)) is not None:
        print(f"lnf: {run / 'model.pt'}: {other}", flush=True)
    vocabulary = model.vocabulary or _vocabulary(run, data) if kind_of(spec.kind).symbols else None
    script = media.Script(spec.kind, vocabulary, model.shape.separator, spec.sample.step_seconds)
    if wish.length is None:
        lengths = sampling.draw_lengths(model, wish.n, wish.seed, max(1, len(wish.prompt)))
    else:
        lengths = torch.full((wish.n,), wish.length)
    device = device_of(spec.resources.gpus)
    model.to(device)
    drawn = sampling.draw(model, lengths, wish.seed, device, wish.how, wish.prompt)
    written = media.write(out, "samples", drawn, script)
    likelihood = None if wish.prompt else _likelihood(model, drawn, spec, wish.how, device)
    facts = {"run": str(run), "digests": document["digests"], "n": wish.n, "seed": wish.seed, **asdict(wish.how),
             "prompt": wish.prompt, "lengths": [len(x) for x in drawn], "likelihood": likelihood}  # fmt: skip
    write_json(out / "samples.json", facts)
    print(f"lnf: {wish.n} samples of {spec.key} in {out}: {written[0].name}{' ...' if len(written) > 1 else ''}")


def _require_possible(wish: Wish, model: SequenceModel) -> None:
    if wish.n < 1:
        raise UserError(f"sample: --n {wish.n}: 1 or more would be right")
    if not 0 < wish.how.temperature < float("inf"):
        raise UserError(f"sample: --temperature {wish.how.temperature}: a number above 0 would be right")
    if len(wish.prompt) > model.max_length:
        raise UserError(f"sample: --prompt: {len(wish.prompt)} symbols; the model knows up to {model.max_length} steps")
    if wish.prompt and model.vocabulary is None:
        raise UserError(f"sample: --prompt: a model of {model.kind} has no symbols; prompts are for text")
    if wish.length is not None and not 1 <= wish.length <= model.max_length:
        raise UserError(f"sample: --length {wish.length}: the model knows lengths from 1 to {model.max_length}")


def _vocabulary(run: Path, data: Path | None) -> list[str]:
    """The symbols of the run's corpus, which a model.pt of an earlier revision does not have."""
    folder = data or (Path(read_json(run / SPEC)["data"]) if (run / SPEC).exists() else None)
    if folder is None or not (folder / store.META).exists():
        raise UserError(f"sample: {folder or run}: no {store.META}, which has the symbols; name the corpus with --data")
    return list(store.read_meta(folder)["vocabulary"])


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
