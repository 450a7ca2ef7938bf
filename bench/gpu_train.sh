#!/usr/bin/env bash
# One run in pieces of under ten minutes that go on from one another: bench/gpu_train.sh PRIOR [CORPUS [CONFIG]].
# Trains PRIOR on CORPUS (by itself ptb), seed 0, as config.yaml or the overlay CONFIG says, for SECONDS_AT_ONCE (by
# itself 500), on the GPU if there is one; the same command goes on where it stopped, and evaluates what is trained. It
# needs PyTorch, PyYAML, jsonschema, psutil and pyarrow, and the corpus prepared.
set -euo pipefail
cd "$(dirname "$0")/.."
prior=${1:?which prior, for instance af_af}
corpus=${2:-ptb}
lnf=("${PYTHON:-python3}" -m lnf)
spec=("${lnf[@]}" spec "$corpus" "$prior" 0)
if [ -n "${3:-}" ]; then spec+=(--configfile "$3"); fi
run=$("${spec[@]}" --folder)
mkdir -p "$run"
"${spec[@]}" --json >"$run/spec.json"
if [ ! -e "$run/run.json" ]; then
    status=0
    timeout --signal INT "${SECONDS_AT_ONCE:-500}" "${lnf[@]}" train "$run/spec.json" || status=$?
    if [ "$status" -ne 0 ] && [ "$status" -ne 124 ]; then exit "$status"; fi # 124: its time was over
    if [ ! -e "$run/run.json" ] && [ ! -e "$run/state/history.jsonl" ]; then exit 124; fi
fi
if [ ! -e "$run/run.json" ]; then
    echo "bench/gpu_train.sh: $run: $(wc -l <"$run/state/history.jsonl") epochs done; the same command goes on"
    exit 0
fi
"${lnf[@]}" evaluate "$run/spec.json"
echo "bench/gpu_train.sh: $run is trained and evaluated"
