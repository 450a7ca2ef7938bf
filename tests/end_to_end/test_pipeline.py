"""The pipeline as its user meets it, with real workers and a real database, to its end."""

import os
import shutil
import signal
import socket

import pytest

from lnf.plan.stages import CURVES
from lnf.tracking.run_files import ARTIFACTS
from lnf.tracking.ui import list_address
from tests.browser import browser_page
from tests.end_to_end.mirrored import mirrored
from tests.patience import LIMIT_S, finish, wait_for
from tests.pipeline import PRIORS, Project

pytestmark = pytest.mark.e2e


def test_every_planned_cell_is_filled_next_to_source_and_unigram(finished: Project) -> None:
    rows = finished.table()
    assert {row["prior"] for row in rows} == {*PRIORS, "source", "unigram", "bigram"}
    assert {(row["status"], row["n"]) for row in rows if row["prior"] in PRIORS and row["mean"]} == {("ok", "1")}
    filled = {(row["prior"], row["split"], row["metric"]): float(row["mean"]) for row in rows if row["mean"]}
    exact = {"nll", "nll_given_length", "length"}
    for prior in PRIORS:
        for split in ("valid", "test"):
            metrics = {metric for p, s, metric in filled if (p, s) == (prior, split)}
            assert metrics == (exact if prior == "lstm" else exact | {"elbo", "reconstruction", "kl"})
    nll = {prior: filled[prior, "test", "nll"] for prior in ("source", "lstm", "unigram")}
    assert nll["source"] < nll["lstm"] < nll["unigram"]


def test_mlflow_holds_every_run_with_curves_params_tags_and_artifacts(finished: Project) -> None:
    runs = mirrored(finished)
    assert set(runs) == {f"{prior}/0" for prior in PRIORS}
    for prior in PRIORS:
        run, history = runs[f"{prior}/0"], finished.rows(prior, "history.parquet")
        assert (run.info.status, run.data.tags["lnf.status"]) == ("FINISHED", "ok")
        assert run.data.tags["lnf.run"] == f"tiny/markov/{prior}/0"
        assert run.data.params["train.epochs"] == str(len(history)) and run.data.params["model.hidden"] == "16"
        assert run.curve == [row["epoch"] for row in history]
        rows = finished.rows(prior, "evaluation")
        (nll,) = [row["value"] for row in rows if (row["split"], row["metric"]) == ("test", "nll")]
        assert run.data.metrics["test.nll_bpc"] == pytest.approx(nll)
        evaluation = finished.result(prior, "evaluation").name
        assert run.files == sorted([*ARTIFACTS, "samples", evaluation])


def test_what_workers_write_is_as_open_as_the_users_own_files(finished: Project) -> None:
    """The secret of the cluster is the owner's alone; results are not secret."""
    (finished.folder / "mine").touch()
    own = (finished.folder / "mine").stat().st_mode
    for prior in PRIORS:
        run = finished.run_folder(prior)
        assert {path.name for path in run.iterdir() if path.is_file() and path.stat().st_mode != own} == set()


def test_a_second_run_has_nothing_to_do(finished: Project) -> None:
    before = {prior: finished.identities(prior) for prior in PRIORS}
    status, out = finished.run("lnf", "run", "--configfile", finished.overlay())
    assert status == 0
    assert out == "lnf: tiny: nothing to be done; the report is reports/out/tiny/report.html\n"
    assert {prior: finished.identities(prior) for prior in PRIORS} == before


def test_another_executor_runs_the_same_dag_and_a_plain_snakemake_says_how_it_ended(copied: Project) -> None:
    shutil.rmtree(copied.folder / ".snakemake" / "ray_logs")
    overlay = copied.overlay(overrides__all__evaluate={"samples": 6})
    status, out = copied.run("snakemake", "--executor", "local", "--cores", "2", "--configfile", overlay)
    assert status == 0, out
    assert "lnf: tiny: 2 runs: 2 ok" in out and f"lnf: report: {copied.folder}" in out
    assert not (copied.folder / ".snakemake" / "ray_logs").exists()


def test_studies_and_the_report_show_what_was_trained(copied: Project) -> None:
    """A picture's model more, the toy, the timing, the bounds: only they are made, and the page shows them all."""
    toy = {"steps": 5, "batch": 64, "train": 100, "test": 50, "layers": 2, "width": 8, "seeds": [0]}
    changes = {
        "select__priors": ["lstm", "af_scf", "af_af_2d"], "overrides__priors__af_af_2d": {"model": {"latent": 2}},
        "toy": toy, "speed": {"batches": [1, 2], "lengths": 2, "repeats": 1},
        "bounds": {"samples": [1, 3], "sequences": None, "seed": 0},
    }  # fmt: skip
    out = finish(copied.workflow(**changes))
    assert "lnf: tiny: 1 runs to train, 1 to evaluate" in out and "lnf: tiny: 3 runs: 3 ok" in out
    report = copied.folder / "reports" / "out" / "tiny" / "report.html"
    assert f"lnf: report: {report}" in out
    text = report.read_text(encoding="utf-8")
    curves = [f"{name}-markov" for name in CURVES]
    for figure in ("results", "nats", *curves, "speed", "bounds", "modes-markov", "toy"):
        assert f'<figure id="figure-{figure}">' in text and (report.parent / "figures" / f"{figure}.pdf").exists()
    assert "AF / AF, H = 2" in text and "3 runs ok" in text
    for run in (copied.run_folder(prior) for prior in PRIORS):
        assert f'<a href="../../../{run.relative_to(copied.folder)}/">' in text
    assert copied.planned(**changes) == {}
    status, out = copied.run("snakemake", "--report", "all.html", "--cores", "1", "--configfile", "overlay.yaml")
    assert status == 0, out
    words = (copied.folder / "all.html").read_text(encoding="utf-8")
    assert "Several modes where several letters may follow" in words and "Figures" in words


@pytest.mark.browser
def test_the_list_in_mlflow_shows_the_numbers(finished: Project) -> None:
    """In a browser that never saw MLflow, at the address that `lnf ui` prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = finished.start("lnf", "ui", "--port", str(port))
    try:
        wait_for(lambda: listens(port), server)
        (prior,) = (
            row for row in finished.table() if (row["prior"], row["metric"], row["split"]) == ("lstm", "nll", "test")
        )
        with browser_page() as page:
            experiment = next(run for run in mirrored(finished).values()).info.experiment_id
            page.goto(list_address(experiment, f"http://127.0.0.1:{port}"))
            for text in ("test.nll_bpc", "test.kl_share", "prior", "seed", "lstm", "af_scf", prior["mean"][:6]):
                page.get_by_text(text).first.wait_for(timeout=LIMIT_S * 1000)
    finally:
        os.killpg(server.pid, signal.SIGINT)
        out, _ = server.communicate(timeout=LIMIT_S)
    assert server.returncode == 0 and "Traceback" not in out
    assert f"lnf: report of tiny: {(finished.folder / 'reports/out/tiny/report.html').as_uri()}" in out


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
