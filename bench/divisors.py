"""The NLL of a run by what it is divided by: `python bench/divisors.py RUN OUT.json`, RUN a folder that was evaluated.

Published numbers of polyphonic music differ in this, and say so seldom.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pandas import DataFrame

from lnf.report.frames import read_frame
from lnf.system.files import read_json, write_json

FACTS = ("corpus", "label", "seed", "differs_from_paper", "revision")


def by_divisor(sequences: DataFrame) -> dict[str, float]:
    """Nats a step of a split's sequences: columns length T, log_prob of x and T, log_prob_given_length of x alone."""
    steps, nll, given = sequences.length, -sequences.log_prob, -sequences.log_prob_given_length
    return {
        "with p(T), sum of T + 1": float(nll.sum() / (steps + 1).sum()),
        "given T, sum of T": float(given.sum() / steps.sum()),
        "with p(T), T + 1 of each sequence, then their mean": float(np.mean(nll / (steps + 1))),
        "given T, T of each sequence, then their mean": float(np.mean(given / steps)),
    }


def main(arguments: Sequence[str]) -> None:
    """Write the facts of the run, and its NLL of each split by divisor."""
    run, out = map(Path, arguments)
    (file,) = run.glob("sequences-*.parquet")
    facts, sequences = read_json(run / "run.json"), read_frame(file)
    splits = {str(split): by_divisor(mine) for split, mine in sequences.groupby("split", sort=False)}
    write_json(out, {**{name: facts[name] for name in FACTS}, "nats a step": splits})


if __name__ == "__main__":
    main(sys.argv[1:])
