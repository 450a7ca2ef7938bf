"""One model trained twice, products in float32 and in bfloat16: python bench/precision_curves.py FLOAT32 BFLOAT16 OUT.

FLOAT32 and BFLOAT16 are folders of runs (results/NAME/CORPUS/PRIOR/SEED/DIGEST), still training or done; OUT.csv gets
valid losses and seconds an epoch, OUT.png their picture.
"""

import csv
import sys
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from lnf.system.files import read_json
from lnf.system.sealed import read_table

PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    """Read both runs, write the table and the picture."""
    folders, out = [Path(argument) for argument in sys.argv[1:3]], Path(sys.argv[3])
    histories, facts = zip(*(run(folder) for folder in folders), strict=True)
    for precision, fact in zip(PRECISIONS, facts, strict=True):
        if fact["spec"]["model"]["precision"] != precision:
            sys.exit(f"precision_curves: {fact['spec']['model']['precision']} found; {precision} would be right")
    with out.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["precision", "epoch", "beta", "learning_rate", "valid_loss", "seconds_an_epoch", "status", "revision"]
        )
        for precision, history, fact in zip(PRECISIONS, histories, facts, strict=True):
            of_run = [round(fact["seconds"] / len(history), 1), fact["status"], fact["revision"]]
            for row in history:
                writer.writerow(
                    [precision, row["epoch"] + 1, row["beta"], row["learning_rate"], row["valid_loss"], *of_run]
                )
    draw(histories, facts, out.with_suffix(".png"))


def run(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Epochs of a run, and what is known of it: of one that still trains, as far as its last state goes."""
    if (folder / "run.json").exists():
        facts = read_json(folder / "run.json")
        return read_table(folder / "history.parquet").to_pylist(), facts | {"seconds": facts["wall_seconds"]}
    state = torch.load(folder / "state" / "epoch.pt", weights_only=True)
    facts = read_json(folder / "state" / "run.json")
    return state["history"], facts | {"seconds": state["seconds"], "status": "unfinished"}


def draw(histories: Any, facts: Any, path: Path) -> None:
    """Valid loss by epoch, a line a precision."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    for precision, history, fact, line in zip(PRECISIONS, histories, facts, ("-", "--"), strict=True):
        label = f"{precision}: {fact['seconds'] / len(history):.1f} s an epoch ({fact['status']})"
        axes.plot([row["epoch"] + 1 for row in history], [row["valid_loss"] for row in history], line, label=label)
    spec = facts[0]["spec"]
    axes.set(
        xlabel="epoch",
        ylabel="valid loss, nats",
        title=f"{spec['corpus']}, {spec['prior']['name']}, seed {spec['seed']}",
    )
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
