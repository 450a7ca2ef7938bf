"""What was made stays, and what is wanted is made: every change, and every way back, on a finished project."""

import json
import os
import shutil
import signal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.patience import LIMIT_S, finish, wait_for
from tests.pipeline import PRIORS, Project
from tests.reliability.test_servers import CLOSED_RAY

pytestmark = pytest.mark.e2e

PUBLISH = {"publish": 1, "all": 1}
PAGE = {"page": 1, **PUBLISH}
VIEWS = {"tables": 1, "figures": 1, "exhibits": 1, **PAGE}
REPORT = {"gather": 1, **VIEWS}
FLOW = {"train": 1, "evaluate": 1, **REPORT}
ALL = {"prepare": 1, "train": 2, "evaluate": 2, **REPORT}
FASTER = {"overrides__priors__lstm__train__learning_rate": 1.5}
LONGER = {"overrides__priors__af_scf__train__epochs": 41}


def made(project: Project) -> dict[str, tuple[int, int]]:
    """File -> (inode, time of change), of all that was trained, evaluated and prepared."""
    files = [path for place in ("results", "data") for path in (project.folder / place).rglob("*") if path.is_file()]
    kept = [
        path for path in files if path.name != "spec.json" and path.suffix in (".pt", ".json", ".parquet", ".arrow")
    ]
    stats = {path: path.stat() for path in kept if not {"state", "existing"} & set(path.parts)}
    return {str(path): (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


def assert_untouched(project: Project, before: dict[str, tuple[int, int]]) -> None:
    now = made(project)
    assert {path: now.get(path) for path in before} == before


def shown(project: Project) -> dict[str, bytes]:
    """What people look at: file -> bytes."""
    folder = project.folder / "reports" / "out" / "tiny"
    files = (path for path in folder.rglob("*") if path.is_file() and not path.match("*/tiny/*.json"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("file", "old", "new", "changes", "jobs"),
    [
        ("lnf/flows/hidden.py", '"""', '"""Much to say. ', {}, {}),
        ("lnf/flows/hidden.py", "import torch\n", "import torch  # of course\n", {}, {}),
        ("lnf/flows/hidden.py", "self.kept = latent // 2", "self.kept = (latent + 1) // 2", {}, {"check": 1, **FLOW}),
        ("lnf/runs/state.py", "import torch\n", "import torch\n\nNEW = 1\n", {}, {}),
        ("lnf/runs/training.py", "name with --data the one that is meant", "name another with --data", {}, {}),
        ("lnf/system/locks.py", "time.sleep(0.1)", "time.sleep(0.2)", {}, {}),
        ("lnf/laws/laws.py", "EXACT = 1e-8", "EXACT = 1e-9", {}, {}),
        ("lnf/laws/laws.py", "EXACT = 1e-8", "EXACT = 1e-9", LONGER, {"check": 1, **FLOW}),
        ("lnf/corpora/sources/markov.py", "if total == 0:", "if total <= 0:", {}, ALL),
        ("lnf/corpora/prepare.py", '"min_length", 1)', '"min_length", 0)', {}, ALL),
        ("lnf/report/table_formats.py", "†", "*", {}, {"tables": 1, **PAGE}),
        ("lnf/report/figures/nats.py", "NLL", "nll", {}, {"figures": 1, **PAGE}),
        ("", "", "", {"tables__decimals": 2}, {"tables": 1, **PAGE}),
        ("", "", "", {"overrides__priors__lstm__train__epochs": 6}, {**FLOW}),
        ("", "", "", {"overrides__priors__af_scf__evaluate": {"samples": 6}}, {"evaluate": 1, **REPORT}),
        ("", "", "", {"overrides__all__resources": {"memory_gb": 0.6}}, PAGE),
        ("", "", "", {"corpora__markov__prepare__options__seed": 2}, ALL),
    ],
)  # fmt: skip
def test_a_change_makes_what_it_names(
    finished: Project, file: str, old: str, new: str, changes: dict[str, Any], jobs: dict[str, int]
) -> None:
    path = finished.folder / (file or "config.yaml")
    before = path.read_text(encoding="utf-8")
    assert old in before
    text = before.replace(old, new, 1) if old.startswith('"""') else before.replace(old, new)
    path.write_text(text, encoding="utf-8")
    try:
        assert finished.planned(**changes) == jobs
    finally:
        path.write_text(before, encoding="utf-8")


@pytest.mark.parametrize("records", ["kept", "removed", "emptied", "touched"])
def test_neither_records_nor_dates_decide(copied: Project, records: str) -> None:
    if records == "removed":
        shutil.rmtree(copied.folder / ".snakemake")
    if records == "emptied":
        for record in (copied.folder / ".snakemake" / "metadata").rglob("*"):
            if record.is_file():
                record.write_bytes(b"")
    if records == "touched":
        for path in copied.folder.rglob("*"):
            os.utime(path)
    assert copied.planned() == {}
    assert copied.planned(**FASTER) == {**FLOW}
    removed = copied.result("af_scf", "evaluation")
    copied.overlay()
    copied.result("af_scf", "evaluation").unlink()
    assert copied.planned() == {"evaluate": 1, "all": 1}, removed


def test_results_count_without_their_data(copied: Project) -> None:
    """New runs want the corpus again; that it is prepared again redoes none of the old."""
    shutil.rmtree(copied.folder / "data")
    assert copied.planned() == {}
    assert copied.planned(**FASTER) == {"prepare": 1, **FLOW}


def test_a_change_that_cannot_run_destroys_nothing(copied: Project) -> None:
    before, views = made(copied), shown(copied)
    out = finish(copied.workflow(overrides__all__resources={"cpus": 99, "memory_gb": 0.5}), status=1)
    assert "resources.cpus: 99: must be at most 2" in out and "Traceback" not in out
    assert_untouched(copied, before)
    copied.environment["RAY_ADDRESS"] = "127.0.0.1:1"
    out = finish(copied.workflow(**FASTER), status=1)
    CLOSED_RAY.assert_seen(out)
    del copied.environment["RAY_ADDRESS"]
    assert copied.statuses()["lstm"] == "error", out
    assert_untouched(copied, before)
    assert copied.planned() == PUBLISH
    finish(copied.without("ray").workflow())
    assert shown(copied) == views
    assert_untouched(copied, before)


def test_a_prepare_that_fails_leaves_the_corpora_of_others(copied: Project) -> None:
    before = made(copied)
    impossible = {"corpora__markov__prepare__options__letters": 1}
    out = finish(copied.without("ray").workflow(name="other", **impossible), status=1)
    assert "lnf: data: markov: " in out and "Traceback" not in out
    assert_untouched(copied, before)
    assert copied.planned() == {}


def test_configurations_of_one_name_in_turn(copied: Project) -> None:
    """One that is interrupted, the first again, the other to its end, the first again: each table is its own."""
    before, views = made(copied), shown(copied)
    longer = copied.workflow(**LONGER)
    wait_for(lambda: copied.epochs("af_scf") >= 2, longer)
    os.killpg(longer.pid, signal.SIGINT)
    longer.communicate(timeout=LIMIT_S)
    copied.without("ray")
    finish(copied.start("lnf", "tables", "--configfile", "overlay.yaml"))
    assert copied.statuses() == {"lstm": "ok", "af_scf": "unfinished", "source": "ok", "unigram": "ok", "bigram": "ok"}
    assert not any(row["mean"] for row in copied.table() if row["prior"] == "af_scf")

    assert copied.planned() == PUBLISH
    out = finish(copied.workflow())
    assert "0 runs to train, 0 to evaluate" in out and shown(copied) == views

    out = finish(copied.workflow(**LONGER))
    assert "1 runs to train, 1 to evaluate" in out and len(copied.rows("af_scf", "history.parquet")) == 41
    other = shown(copied)
    assert other["tables/text.csv"] != views["tables/text.csv"]

    finish(copied.workflow())
    assert shown(copied) == views
    finish(copied.workflow(**LONGER))
    assert shown(copied) == other
    assert_untouched(copied, before)


def test_an_evaluation_copied_over_anothers_counts_for_nothing(copied: Project) -> None:
    copied.overlay()
    shutil.copy(copied.result("lstm", "evaluation"), copied.result("af_scf", "evaluation"))
    out = finish(copied.start("lnf", "tables", "--configfile", "overlay.yaml"))
    assert "not of this one; it counts as not run" in out
    assert copied.statuses() == {"lstm": "ok", "af_scf": "not_run", "source": "ok", "unigram": "ok", "bigram": "ok"}
    shutil.rmtree(copied.folder / "results" / "tiny" / "metrics")
    out = finish(copied.without("ray", "mlflow").workflow(), status=1)
    assert "not of this one; remove it, and run snakemake again" in out
    copied.result("af_scf", "evaluation").unlink()
    finish(copied.workflow())
    assert copied.statuses()["af_scf"] == "ok"


def test_a_users_helper_module_counts(tmp_path: Path) -> None:
    """A class in a file of one's own, at the top of the project, and a helper in another."""
    project = Project(tmp_path).without("ray", "mlflow")
    lines = ["from lnf.flows.transforms import Affine", "from my_helper import NAME", "", "",
             "class Mine(Affine):", "    name = NAME", ""]  # fmt: skip
    (tmp_path / "my_flow.py").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "my_helper.py").write_text("NAME = 'one'\n", encoding="utf-8")
    rule = 'prior("mine", label="Mine", time="af", hidden="scf", transform="my_flow.Mine")\n'
    (tmp_path / "rules" / "priors" / "mine.smk").write_text(rule, encoding="utf-8")
    changes = {"select__priors": ["mine"], "overrides__priors": {}}
    out = finish(project.workflow(**changes))
    assert "lnf: next: lnf sync tiny, then make ui" in out and not (tmp_path / "mlflow.db").exists()
    before = made(project)
    assert project.planned(**changes) == {}
    (tmp_path / "my_helper.py").write_text("NAME = 'one'  # so called\n", encoding="utf-8")
    assert project.planned(**changes) == {}
    (tmp_path / "my_helper.py").write_text("NAME = 'two'\n", encoding="utf-8")
    assert project.planned(**changes) == {"check": 1, **FLOW}
    assert_untouched(project, before)
    project.close()


def test_a_raw_file_that_is_edited_after_prepare(tmp_path: Path) -> None:
    """With its new sha256 it is another corpus; without, it is refused, and what was made of the old one stands."""
    project = Project(tmp_path).without("ray", "mlflow")
    raw = tmp_path / "mirror" / "mine"
    raw.mkdir(parents=True)
    for split in ("train", "valid", "test"):
        (raw / f"{split}.txt").write_text("ab\nba\nabba\n" * 9, encoding="utf-8")
    project.environment["LNF_DATA_MIRROR"] = str(tmp_path / "mirror")

    def changes() -> dict[str, Any]:
        files = {path.name: {"mirror": f"mine/{path.name}", "bytes": path.stat().st_size, "addresses": [],
                             "sha256": sha256(path.read_bytes()).hexdigest()} for path in raw.iterdir()}  # fmt: skip
        entry = {
            "kind": "text",
            "roles": ["main"],
            "prepare": {"source": "lnf.corpora.sources.ptb.read", "files": files},
        }
        selected = {"corpora": ["mine"], "priors": ["lstm"], "seeds": [0]}
        return {"corpora": {"mine": entry}, "select": selected, "overrides__all__train__batch": 4}

    old = json.loads(json.dumps(changes()))
    finish(project.workflow(**old))
    before = made(project)
    assert project.planned(**old) == {}
    (raw / "test.txt").write_text("ab\n" * 9, encoding="utf-8")
    wanted = {"prepare": 1, **FLOW}
    assert project.planned(**old) == wanted
    out = finish(project.workflow(**old), status=1)
    assert "test.txt is a file cut short" in out and project.statuses() == {"lstm": "not_run"}
    assert project.planned(**changes()) == wanted
    finish(project.workflow(**changes()))
    assert project.statuses() == {"lstm": "ok", "unigram": "ok", "bigram": "ok"}
    assert_untouched(project, before)
    project.close()


@pytest.mark.parametrize(
    ("arguments", "jobs"),
    [
        (["-R", "train"], {"train": 2, "evaluate": 2, **REPORT}),
        (["-R", "evaluate"], {"evaluate": 2, **REPORT}),
        (["-R", "tables"], {"tables": 1, **PAGE}),
        (["-R", "check"], {"check": 2, "train": 2, "evaluate": 2, **REPORT}),
        (["--forceall"], {"check": 2, **ALL}),
        (["--workflow-profile", "none"], {}),
        (["--workflow-profile", "none", "--rerun-triggers", "mtime", "params", "input"], {}),
    ],
)
def test_what_snakemake_forces(finished: Project, arguments: list[str], jobs: dict[str, int]) -> None:
    """What is forced is made again with all that is made of it; other triggers see no change in a finished project."""
    assert finished.planned(*arguments) == jobs


def test_forced_jobs_replace_results_only_when_they_are_complete(copied: Project) -> None:
    before = {path: path.read_bytes() for path in map(Path, made(copied))}
    command = ("snakemake", "--cores", "2", "--configfile", copied.overlay(), "-R", "evaluate")
    copied.environment["RAY_ADDRESS"] = "127.0.0.1:1"
    finish(copied.start(*command), status=1)
    assert {path: path.read_bytes() for path in before} == before
    del copied.environment["RAY_ADDRESS"]
    copied.without("ray")
    finish(copied.start(*command))
    scores = [path for path in before if path.name.startswith("evaluation")]
    assert len(scores) == 2 and all(path.read_bytes() == before[path] for path in scores)
    assert copied.planned() == {}


STUDY = """
from pathlib import Path

from lnf.report.figures.canvas import save
from lnf.runs import checkpoint
from lnf.system.files import read_json, write_json


def run_size(run: str, data: str, out: Path) -> None:
    model, spec, _ = checkpoint.load(Path(run, "model.pt"))
    write_json(out / "size.json", {"prior": spec.prior.name, "numbers": sum(p.numel() for p in model.parameters())})


def draw(studies, labels, folder):
    facts = [read_json(study / "size.json") for found in studies.values() for study in found]

    def bars(canvas):
        axes = canvas.figure(2.0).subplots()
        for one in facts:
            (bar,) = axes.barh(labels[one["prior"]], one["numbers"])
            canvas.mark(bar, model=labels[one["prior"]], value=one["numbers"])

    save(folder, "size", bars)
"""
ROW = """
    Stage(
        "size",
        "Count the numbers of a model.",
        run="lnf.studies.size.run_size",
        place="results/{name}/size/{corpus}/{digest}",
        files=("size.json",),
        jobs="lnf.plan.studies.each_model",
        figure="lnf.studies.size.draw",
        pictures=("size",),
    ),
"""


def test_a_study_is_a_file_and_two_rows(copied: Project) -> None:
    folder = copied.folder
    (folder / "lnf" / "studies" / "size.py").write_text(STUDY, encoding="utf-8")
    (folder / "reports" / "captions" / "8-size.rst").write_text("Sizes of the models.", encoding="utf-8")
    stages, rules = folder / "lnf" / "plan" / "stages.py", folder / "rules" / "studies.smk"
    before = stages.read_text(encoding="utf-8")
    stages.write_text(before.replace("_ROWS = (\n", f"_ROWS = ({ROW}", 1), encoding="utf-8")
    text = rules.read_text(encoding="utf-8")
    rules.write_text(
        text.replace('    "toy": [],\n', '    "toy": [],\n    "size": ["prepare", "train"],\n', 1), encoding="utf-8"
    )
    assert copied.planned() == {"size": 2, "figures": 1, **PAGE}
    finish(copied.without("ray", "mlflow").workflow())
    assert (folder / "reports" / "out" / "tiny" / "figures" / "size.png").stat().st_size > 1000
    assert len(list(folder.glob("results/tiny/size/markov/*/size.json"))) == 2


def test_what_is_wanted_can_be_named(finished: Project) -> None:
    """The folder that `lnf spec` prints is the one that the workflow fills."""
    for prior in PRIORS:
        assert finished.result(prior, "model.pt").exists() and finished.result(prior, "spec.json").exists()
