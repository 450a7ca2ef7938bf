"""`make ui`: MLflow's page on this project, and the addresses that show its numbers."""

import os
import sys
from typing import NoReturn

from lnf.tracking.store import opened, store_uri
from lnf.tracking.views import list_address


def serve(port: int) -> NoReturn:
    """Print where each configuration's corpora are to be seen, then become MLflow's server on 127.0.0.1:PORT."""
    with opened() as store:
        experiments = store.experiments("lnf.unit")
    for name, experiment in experiments.items():
        print(f"lnf: {name}: {list_address(experiment, f'http://127.0.0.1:{port}')}")
    if not experiments:
        print("lnf: no run has been mirrored yet; `lnf sync NAME` mirrors a configuration's results")
    print("lnf: Ctrl-C ends it", flush=True)
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", **os.environ}
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store_uri(), "--host", "127.0.0.1"]
    os.execve(sys.executable, [*command, "--port", str(port), "--workers", "1"], environment)
