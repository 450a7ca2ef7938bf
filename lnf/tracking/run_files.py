"""What a run directory says, as plain values."""

import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lnf.system.files import digest, read_json, set_aside, sha256_of
from lnf.system.sealed import read_rows

ARTIFACTS = ("run.json", "history.parquet", "monitor.parquet", "spec.json")
MILLISECONDS = 1000


class RunFiles:
    """A run's facts, its epochs, its evaluation, and the digests of its artifacts."""

    def __init__(
        self, folder: Path, facts: dict[str, Any], history: list[dict[str, Any]], monitor: list[dict[str, Any]]
    ) -> None:
        self.folder, self.facts, self.history = folder, facts, history
        self.monitor = {row["epoch"]: row for row in monitor}
        self.job: dict[str, Any] = read_json(folder / "spec.json") if (folder / "spec.json").exists() else {}
        # Others of the same model may be next to the one that the run's last plan asked for.
        self.evaluated = f"evaluation-{self.job.get('evaluation', '')}.parquet"
        self.evaluation = _rows(folder / self.evaluated)
        names = (*ARTIFACTS, self.evaluated)
        self.artifacts = {name: sha256_of(folder / name) for name in names if (folder / name).exists()}
        self.variant = "/".join(str(facts[key]) for key in ("name", "corpus", "prior"))
        self.place = f"{self.variant}/{facts['seed']}"
        self.key = " ".join([self.place, *(f"{name}={value}" for name, value in sorted(facts["digests"].items()))])

    @classmethod
    def read(cls, folder: Path) -> "RunFiles | None":
        """A finished run, else one that trains, else None. A run that ends in between is read again."""
        for _ in range(3):
            try:
                if (folder / "run.json").exists():
                    facts, history = read_json(folder / "run.json"), _rows(folder / "history.parquet")
                    return cls(folder, facts, history, _rows(folder / "monitor.parquet"))
                facts = read_json(folder / "state" / "run.json")
                lines = folder / "state" / "history.jsonl"
                return cls(folder, facts, _lines(lines), _lines(folder / "state" / "monitor.jsonl"))
            except FileNotFoundError:
                continue
        return None

    @property
    def started_ms(self) -> int:
        """When it began, in milliseconds since 1970; of a run of older code, which did not say, as far as known."""
        began = self.facts.get("started", self._written - self.facts.get("wall_seconds", 0.0))
        return int(began * MILLISECONDS)

    @property
    def ended_ms(self) -> int | None:
        """When it ended; None while it trains."""
        return None if self.status == "running" else int(self.facts.get("ended", self._written) * MILLISECONDS)

    @property
    def status(self) -> str:
        """As its facts say, or "error" while the last attempt to train or evaluate it has failed."""
        return "error" if (self.folder / "state" / "error.json").exists() else str(self.facts["status"])

    @property
    def _written(self) -> float:
        """When the run's last facts were written, in seconds since 1970."""
        places = (self.folder / "run.json", self.folder / "state" / "run.json")
        return next(path for path in places if path.exists()).stat().st_mtime

    @property
    def tags(self) -> dict[str, str]:
        """What people and MLflow's page read of it."""
        facts = self.facts
        return {
            "lnf.key": self.key, "lnf.kind": "run", "lnf.run": self.place, "lnf.variant": self.variant,
            "lnf.role": facts["role"], "lnf.label": facts["label"], "lnf.revision": facts["revision"],
            "lnf.differs_from_paper": json.dumps(facts["differs_from_paper"], sort_keys=True),
            **user(), "mlflow.source.type": "LOCAL",
            "mlflow.source.name": f"rules/priors/{facts['prior']}.smk",
            "mlflow.source.git.commit": facts["revision"].rstrip("+"),
            "mlflow.note.content": self.description,
        }  # fmt: skip

    @property
    def description(self) -> str:
        """The run in a few lines."""
        facts = self.facts
        return (
            f"**{facts['label']}** on {facts['corpus']}, seed {facts['seed']}, configuration {facts['name']}.\n\n"
            f"Its files: `{self.folder}`. Revision `{facts['revision']}`."
        )

    @property
    def params(self) -> dict[str, str]:
        """The spec, flat; the variant's name and the seed come first."""
        return {"prior": self.facts["prior"], **{key: str(value) for key, value in _flat(self.facts["spec"])}}

    @property
    def shared_params(self) -> dict[str, str]:
        """Those that all seeds of the variant have."""
        return {key: value for key, value in self.params.items() if key != "seed"}

    def history_digest(self, epochs: int) -> str:
        """Identifies the first epochs of the curve."""
        return digest([{key: repr(value) for key, value in row.items()} for row in self.history[:epochs]])


def user() -> dict[str, str]:
    """The tag of the user's name; none where the user's id has no name, as in some containers."""
    try:
        return {"mlflow.user": getpass.getuser()}
    except (KeyError, OSError):
        return {}


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as problem:
        raise set_aside(path, f"not JSON: {problem}", "the run writes it again") from None


def _rows(path: Path) -> list[dict[str, Any]]:
    return read_rows(path) if path.exists() else []


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
