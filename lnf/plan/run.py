"""One planned run: its spec and context, and where its results are. Standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.plan.code_digests import sources
from lnf.plan.digests import evaluation_digest, run_digests
from lnf.plan.jobs import ABOUT_THE_JOB
from lnf.spec import STORED_FORMAT, RunContext, Spec, read_spec
from lnf.system.files import digest, read_json, try_read_json

TRAINED = ("model.pt", "history.parquet", "run.json")
EVALUATED = ("evaluation", "sequences", "samples")
"""What the files of an evaluation begin with: metrics, scores of each sequence, what the model draws."""
UNFINISHED = "unfinished"
"""Status of a run that began and has not ended."""


@dataclass(frozen=True)
class Run:
    """One run with all that it needs: its spec and context, its corpus' folder, the digest of its evaluation."""

    spec: Spec
    context: RunContext
    data: Path
    evaluation: str

    @property
    def digest(self) -> str:
        """What names the run among those of its corpus, prior and seed."""
        return digest(self.context.digests)

    @property
    def names(self) -> dict[str, str]:
        """Its corpus, prior and seed."""
        return {"corpus": self.spec.corpus, "prior": self.spec.prior.name, "seed": str(self.spec.seed)}

    @property
    def place(self) -> Path:
        """The folder of all runs of its corpus, prior and seed."""
        return Path("results", self.context.name, self.spec.corpus, self.spec.prior.name, str(self.spec.seed))

    @property
    def folder(self) -> Path:
        """The folder of its results."""
        return self.place / self.digest

    @property
    def trained(self) -> list[Path]:
        """The files of a trained model."""
        return [self.folder / name for name in TRAINED]

    @property
    def evaluated(self) -> list[Path]:
        """The files of its evaluation, in the order of `EVALUATED`."""
        return [self.folder / f"{what}-{self.evaluation}.parquet" for what in EVALUATED]

    @property
    def status(self) -> str:
        """As its run.json says if it is trained and evaluated (ok, diverged), else what `absence` says."""
        facts = try_read_json(self.folder / "run.json")
        return absence(self.folder, self.evaluation) or ("error" if facts is None else str(facts["status"]))

    def to_dict(self) -> dict[str, Any]:
        """The run as plain JSON values."""
        rest = self.context.to_dict() | {"data": str(self.data), "evaluation": self.evaluation, "format": STORED_FORMAT}
        return {"spec": self.spec.to_dict(), **rest}

    @property
    def job_spec(self) -> dict[str, Any]:
        """What spec.json in its folder holds, for its training and its evaluation."""
        modules = self.spec.paths
        code = {stage: sources().code_digest(stage, modules) for stage in ("train", "evaluate")}
        return {**self.to_dict(), "code": code, "modules": modules}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], data: Path | None = None) -> "Run":
        """A run from plain JSON values, of which only `spec` must be there; `data` replaces the corpus' folder.

        What is not given is as of today: code, and the corpus in the folder. Raises UserError for what is wrong.
        """
        known = {"spec", "name", "digests", "differs", "data", "evaluation", "format", *ABOUT_THE_JOB}
        unknown = set(values) - known
        if unknown or "spec" not in values:
            what = f"{min(unknown)}: unknown key" if unknown else "spec: missing"
            raise UserError(f"{what}; give what `lnf spec CORPUS PRIOR SEED --json` prints")
        spec = read_spec(values["spec"], values.get("format"))
        folder = data or Path(values.get("data", ""))
        digests = values.get("digests") or run_digests(spec, _digest_of(folder, spec.corpus))
        context = RunContext(values.get("name", "adhoc"), dict(digests), dict(values.get("differs", {})))
        return cls(spec, context, folder, values.get("evaluation") or evaluation_digest(spec))


def _digest_of(folder: Path, corpus: str) -> str:
    meta = folder / "meta.json"
    if not meta.exists():
        raise UserError(f"{meta}: no such file; name with --data a folder that `lnf prepare` wrote for {corpus}")
    return str(read_json(meta)["digest"])


def absence(folder: Path, evaluation: str) -> str:
    """Why a run has no results: error, unfinished (it was cut, or not evaluated) or not_run; empty if it has."""
    if (folder / "run.json").exists() and (folder / f"evaluation-{evaluation}.parquet").exists():
        return ""
    if (folder / "state" / "error.json").exists():
        return "error"
    begun = (folder / "state" / "history.jsonl").exists() or (folder / "run.json").exists()
    return UNFINISHED if begun else "not_run"
