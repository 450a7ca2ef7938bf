"""`make ui`: MLflow's page on this project, and the addresses that show its numbers."""

import os
import sys

from lnf.tracking.store import opened, store_uri, without_secrets
from lnf.tracking.views import list_address


def serve(port: int) -> None:
    """Print where each configuration's corpora are to be seen, then become MLflow's server on 127.0.0.1:PORT.

    A server that $MLFLOW_TRACKING_URI names is there already. Raises UserError if the store cannot be reached.
    """
    with opened() as store:
        experiments = store.experiments("lnf.unit")
    server = store_uri() if store_uri().startswith("http") else f"http://127.0.0.1:{port}"
    for name, experiment in experiments.items():
        print(f"lnf: {name}: {without_secrets(list_address(experiment, server))}")
    if not experiments:
        print("lnf: no run has been mirrored yet; `lnf sync NAME` mirrors a configuration's results")
    if server == store_uri():
        return
    print("lnf: Ctrl-C ends it", flush=True)
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", **os.environ}
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store_uri(), "--host", "127.0.0.1"]
    os.execve(sys.executable, [*command, "--port", str(port), "--workers", "1"], environment)
