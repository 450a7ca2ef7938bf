"""A finished project, for all tests that leave it as it is."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import finish
from tests.pipeline import Project

TOO_MUCH = {"overrides__priors__lstm__resources": {"memory_gb": 50000.0}}


@pytest.fixture
def finished(undisturbed: Project) -> Project:
    """The finished project, with the overlay that finished it."""
    undisturbed.overlay()
    return undisturbed


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Iterator[Project]:
    """A fresh clone with the finished results, data, tables and database copied into it, to be spoilt."""
    project = finished.copy(tmp_path / 'a "copy"', "results", "data", "reports/out", ".snakemake")
    shutil.copy(finished.folder / "mlflow.db", project.folder)
    yield project
    project.close()


@pytest.fixture
def untrained(finished: Project, tmp_path: Path) -> Iterator[Project]:
    """A fresh clone with the corpus and the checks of the variants, and no runs."""
    project = finished.copy(tmp_path / "project", "data", "results/tiny/checks")
    yield project
    project.close()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose runs all came to their end undisturbed: the flow's first, for the LSTM's could not be placed.

    Its folder's name holds what a shell reads.
    """
    folder = tmp_path_factory.mktemp("finished") / "it's a $HOME; project"
    folder.mkdir()
    project = Project(folder)
    out = finish(project.workflow(**TOO_MUCH), status=1)
    assert_a_failure_is_told(project, out)
    flow = project.identities("af_scf")
    out = finish(project.workflow())
    assert "lnf: tiny: 1 runs to train, 1 to evaluate" in out and "lnf: tiny: 2 runs: 2 ok" in out
    assert project.identities("af_scf") == flow
    yield project
    project.close()


def assert_a_failure_is_told(project: Project, out: str) -> None:
    """One line of ours, the log, the counts, and tables of what exists; nothing of Snakemake's."""
    assert "lnf: train markov/lstm/0 failed: no node can hold 1 CPUs, 5e+04 GiB of memory; there are: 2 CPUs, " in out
    log = f"logs/{project.run_folder('lstm').relative_to(project.folder / 'results')}.train.log"
    assert f"its log is {log}" in out
    assert "lnf: tiny: 2 runs: 1 error, 1 ok" in out and "RuleException" not in out and "Traceback" not in out
    assert max(map(len, out.splitlines())) < 300
    assert project.statuses() == {"lstm": "error", "af_scf": "ok", "source": "ok", "unigram": "ok", "bigram": "ok"}
