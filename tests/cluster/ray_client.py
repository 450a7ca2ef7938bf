"""A client process for the tests: python -m tests.cluster.ray_client ENTRY RUN_DIR [KEY=JSON ...]; resources too."""

import json
import sys
from pathlib import Path

from lnf.cluster.client import RemoteJob, run_remote
from lnf.errors import UserError
from lnf.spec import Resources

if __name__ == "__main__":
    entry, run_dir, *rest = sys.argv[1:]
    values = {key: json.loads(value) for key, value in (item.split("=", 1) for item in rest)}
    resources = Resources(**{"memory_gb": 0.5, **{k: values.pop(k) for k in ("cpus", "memory_gb") if k in values}})
    Path(run_dir).mkdir(parents=True, exist_ok=True)
    changes = Path(run_dir, "changes")

    def on_progress() -> None:
        """One character per call."""
        with changes.open("a", encoding="utf-8") as stream:
            stream.write("c")

    kwargs = {"out": str(Path(run_dir).absolute()), **values}
    job = RemoteJob(
        f"tests.cluster.ray_jobs:{entry}", kwargs, resources, Path(run_dir), "toy/af_af/0", "train", on_progress
    )
    try:
        run_remote(job)
    except UserError as problem:
        sys.exit(f"lnf: {problem}")
