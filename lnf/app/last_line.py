"""What a step that ran in this process says at its end: what came of it, where it lies, and what to do next."""

from pathlib import Path

from lnf.plan.run import Run
from lnf.runs.progress import duration
from lnf.system.files import read_json
from lnf.system.sealed import read_rows


def last_line(step: str, run: Run, out: Path) -> str:
    """A line on what the step left in `out`."""
    facts = read_json(out / "run.json")
    if facts["status"] != "ok":
        return f"lnf: {run.spec.key}: {facts['status']}: {facts['stopped']}; {out / 'run.json'}"
    if step == "train":
        how = f"{facts['epochs']} epochs in {duration(facts['wall_seconds'])}, {facts['stopped']}"
        loss = f"best loss on valid {facts['best_valid_loss']:.3f} nats"
        return f"lnf: {run.spec.key}: trained, {how}; {loss}; {out / 'model.pt'}; next: lnf evaluate"
    file = out / f"evaluation-{run.evaluation}.parquet"
    rows = [row for row in read_rows(file) if row["metric"] == "nll"]
    numbers = ", ".join(f"{row['value']:.3f} {row['unit']} on {row['split']}" for row in rows)
    samples = f", K = {rows[0]['k']}" if rows[0]["k"] else ""
    return f"lnf: {run.spec.key}: NLL {numbers}{samples}; {file}"
