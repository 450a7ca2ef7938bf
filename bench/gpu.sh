#!/usr/bin/env bash
# The benchmark on one GPU, in under nine minutes: bench/gpu.sh [FOLDER]. FOLDER (by itself docs/benchmarks) gets
#   DATE-gpu.json         every row in tfloat32 and bfloat16 next to the card's own rates; of ptb seconds an epoch, at the
#                         paper's batch, at 4 and at 16 times that
#   DATE-gpu-shared.json  AF/AF on ptb, four processes on the one card
# Rows are written as they are measured: what is cut off after nine minutes is kept. It needs PyTorch, PyYAML,
# pydantic and psutil.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-docs/benchmarks}
python=${PYTHON:-python3}
"$python" - <<'PY'
import importlib.util, sys
missing = [name for name in ("torch", "yaml", "pydantic", "psutil") if importlib.util.find_spec(name) is None]
if missing:
    sys.exit(f"bench/gpu.sh: missing here: {', '.join(missing)}")
import torch
if not torch.cuda.is_available():
    sys.exit("bench/gpu.sh: PyTorch finds no GPU here; make bench measures a CPU")
PY
mkdir -p "$folder"
name=$folder/$(date +%F)-gpu
timeout 420 "$python" -m bench.speed --json "$name.json" || echo "bench/gpu.sh: cut off; $name.json holds what was measured"
timeout 110 "$python" -m bench.speed --only ptb af_af train bfloat16 --processes 4 --json "$name-shared.json" ||
    echo "bench/gpu.sh: cut off; $name-shared.json holds what was measured"
