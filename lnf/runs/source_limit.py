"""The limit that a generated corpus sets: no honest model scores better than the source that wrote the text."""

import numpy as np

from lnf.corpora.loading import Split
from lnf.errors import UserError


def source_gap(log_prob: np.ndarray, source_log_prob: np.ndarray) -> tuple[float, float]:
    """Mean and standard error of d_i = log p_model(x_i) - log p_source(x_i), in nats a sequence."""
    gap = log_prob - source_log_prob
    return float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(len(gap)))


def require_no_better_than_source(name: str, log_prob_given_length: np.ndarray, split: Split) -> None:
    """Raise UserError if the mean gap exceeds three standard errors: the model must have seen what it predicts. One
    sequence has no error, and tells nothing.
    """
    if len(log_prob_given_length) < 2:
        return
    source = split.columns["log_prob"] - split.columns["log_prob_length"]
    mean, error = source_gap(log_prob_given_length, source)
    if mean > 3 * error:
        raise UserError(
            f"evaluate: {name}: log-likelihood is {mean:.3f} +- {error:.3f} nats a sequence above the source's own;"
            " no honest model is, look for a leak of x into its own prediction"
        )
