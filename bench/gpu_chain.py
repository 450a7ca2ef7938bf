"""How much faster recorded pieces of fused cells are on a GPU than single operations: bench/gpu_chain.py OUT.json.

A step (forward and backward) of the decoder's LSTM at the paper's size by either way, in turns; the ratio of medians.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from lnf.nn import recurrence
from lnf.nn.chain import Chain, CPUChain
from lnf.nn.gpu_chain import GPUChain
from lnf.nn.linear import products_in
from lnf.nn.lstm import BiLSTM
from lnf.nn.positions import position_codes
from lnf.plan.config import ROOT
from lnf.system import provenance
from lnf.system.files import write_json

WAYS: dict[str, type[Chain]] = {"plain": CPUChain, "recorded": GPUChain}
CASES = ((5, "float32"), (32, "bfloat16"), (150, "bfloat16"))
"""Rows of a batch and precision: music's, Penn Treebank's by the cheaper schedule, and by the paper's ten samples."""
STEPS, TURNS, WARM = 117, 12, 3


def main() -> None:
    """Measure each case, print it, and write all."""
    if not torch.cuda.is_available():
        sys.exit("gpu_chain: PyTorch finds no GPU here")
    rows = [measured(*case) for case in CASES]
    facts = {
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "revision": provenance.revision(ROOT).text,
    }
    write_json(Path(sys.argv[1]), {"rows": rows, **facts})


def measured(rows: int, precision: str) -> dict[str, Any]:
    """Seconds of a step by either way."""
    device, inputs, length = torch.device("cuda"), 50, 288
    model = BiLSTM(inputs, 500, 2, length).to(device)
    x_BTI = torch.randn(rows, STEPS, inputs, device=device, requires_grad=True)
    mask_BT = torch.ones(rows, STEPS, dtype=torch.bool, device=device)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(TURNS):
        for way, chain in WAYS.items():
            recurrence._chain = lambda x, chain=chain: chain
            torch.cuda.synchronize()
            start = time.perf_counter()
            with products_in(precision, device):
                y = model(x_BTI, position_codes(mask_BT, length), mask_BT)
            y.sum().backward()
            torch.cuda.synchronize()
            seconds[way].append(time.perf_counter() - start)
    found = {way: statistics.median(values[WARM:]) for way, values in seconds.items()}
    row = {"rows": rows, "steps": STEPS, "precision": precision, **found, "ratio": found["plain"] / found["recorded"]}
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
