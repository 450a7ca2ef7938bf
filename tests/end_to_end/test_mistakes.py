"""Bad input on the real command line: one clear line and exit status 1, before any job or any training on it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.patience import finish
from tests.pipeline import Project

pytestmark = pytest.mark.e2e

GOOD = 'prior("mine", label="Mine", time="af", hidden="af", transform="nlsq")\n'
CUBIC = (
    "mine.smk: prior mine: transform: 'cubic': must be one of nlsq, affine or the dotted path of a class"
    " (cubic: no module of this name; give package.module.Class)"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project in which nothing was ever run."""
    project = Project(tmp_path_factory.mktemp("project"))
    yield project
    project.close()


def assert_one_line(project: Project, line: str, **changes: Any) -> None:
    """Both commands say `line`, and no job begins."""
    overlay = project.overlay(**changes)
    assert project.run("lnf", "run", "--configfile", overlay) == (1, f"lnf: {line}\n")
    status, out = project.run("snakemake", "-n", "--cores", "2", "--configfile", overlay)
    assert status == 1 and "Traceback" not in out
    assert re.findall(r"^lnf: .*", out, re.MULTILINE) == [f"lnf: {line}"]
    assert not any((project.folder / place).exists() for place in ("data", "logs", ".lnf"))


def test_a_wrong_configuration(project: Project) -> None:
    line = "config: overrides.all.train.epocs: unknown key; did you mean overrides.all.train.epochs?"
    assert_one_line(project, line, overrides__all__train={"epocs": 3})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            GOOD.replace("nlsq", "cubic"),
            CUBIC,
        ),
        (
            GOOD.replace("mine", "af_scf"),
            "prior af_scf: declared in both af_scf.smk and mine.smk; give one another name",
        ),
    ],
)
def test_a_wrong_rule_file(project: Project, text: str, line: str) -> None:
    file = project.folder / "rules" / "priors" / "mine.smk"
    file.write_text(text)
    try:
        assert_one_line(project, line, select__priors=["lstm", "mine" if "mine" in text else "af_scf"])
    finally:
        file.unlink()


def test_results_below_a_regular_file(project: Project) -> None:
    results = project.folder / "results"
    results.write_text("")
    try:
        project.overlay()
        folder = project.run_folder("lstm").relative_to(project.folder)
        line = f"results: is a regular file, and {folder} must be a folder; move the file away"
        assert_one_line(project, line)
    finally:
        results.unlink()


def test_raw_files_that_are_missing_or_damaged(tmp_path: Path) -> None:
    """One corpus that no address gives, one whose file in the mirror is not the right one."""
    project = Project(tmp_path)
    damaged = tmp_path / "mirror" / "music" / "JSB_Chorales.mat"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(bytes(96095))
    project.environment["LNF_DATA_MIRROR"] = str(tmp_path / "mirror")
    nowhere = {"Nottingham.mat": {"addresses": ["http://127.0.0.1:9/Nottingham.mat"]}}
    process = project.workflow(
        select={"corpora": ["jsb_chorales", "nottingham"], "priors": ["lstm"], "seeds": [0]},
        corpora={"nottingham": {"prepare": {"files": nowhere}}},
    )
    out = finish(process, status=1)
    project.close()
    assert "Traceback" not in out and "RuleException" not in out
    for corpus, words in (("jsb_chorales", "replace it"), ("nottingham", "http://127.0.0.1:9")):
        (line,) = [line for line in out.splitlines() if line.startswith(f"lnf: data: {corpus}: ")]
        assert words in line
        assert f"its log is logs/tiny/{corpus}/" in out and not list((tmp_path / "data" / corpus).glob("*/meta.json"))
    assert "lnf: tiny: 2 runs: 2 not_run" in out and not (tmp_path / ".lnf" / "ray").exists()
