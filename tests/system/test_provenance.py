"""The revision of a result says what its sources were, or why it does not. Real repositories of git."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lnf.errors import UserError
from lnf.plan import code_digests, origin
from lnf.plan.config import ROOT
from lnf.report.measured.candidates import require_known
from lnf.runs import checkpoint, training
from lnf.system import provenance
from tests.plan.test_digests import copy_of_lnf
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared

WHO = ["-c", "user.name=a", "-c", "user.email=a@example.org"]


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *WHO, *words], cwd=folder, check=True, capture_output=True, encoding="utf-8")
    return done.stdout.strip()


def repository(folder: Path, *names: str) -> str:
    """The commit of a new repository with these files."""
    git(folder, "init", "-q")
    for name in names:
        (folder / name).write_text(f"# {name}\n", encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "sources")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    repository(folder, "flow.py", "other.py", "a [b] *.py")
    return folder


def spoil_nothing(project: Path) -> None:
    (project / "notes.txt").write_text("not a source", encoding="utf-8")
    (project / "other.py").write_text("# not a source of this run\n", encoding="utf-8")


def change(project: Path) -> None:
    (project / "flow.py").write_text("# changed\n", encoding="utf-8")


def stage(project: Path) -> None:
    change(project)
    git(project, "add", "-A")


def add(project: Path) -> None:
    (project / "mine.py").write_text("x = 1\n", encoding="utf-8")


def add_ignored(project: Path) -> None:
    (project / ".gitignore").write_text("mine.py\n", encoding="utf-8")
    add(project)


@pytest.mark.parametrize(
    ("act", "problems"),
    [
        (spoil_nothing, []),
        (change, ["flow.py differs from the commit"]),
        (stage, ["flow.py differs from the commit"]),
        (add, ["mine.py is not in the commit"]),
        (add_ignored, ["mine.py is not in the commit"]),
    ],
)
def test_every_source_must_be_in_the_commit_unchanged(
    project: Path, act: Callable[[Path], None], problems: list[str]
) -> None:
    act(project)
    sources = [project / name for name in ("flow.py", "a [b] *.py", *(["mine.py"] if "add" in act.__name__ else []))]
    found = provenance.revision(project, sources)
    assert found.problems == problems
    assert found.text == git(project, "rev-parse", "HEAD") + ("+" if problems else "")


def test_a_source_outside_the_project_is_named(project: Path, tmp_path: Path) -> None:
    found = provenance.revision(project, [project / "flow.py", tmp_path / "mine.py"])
    assert found.problems == [f"{tmp_path / 'mine.py'} is outside the project"] and found.text.endswith("+")


def test_gits_variables_name_no_other_repository(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook of another project sets them."""
    other = tmp_path / "other"
    other.mkdir()
    repository(other)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    found = provenance.revision(project, [project / "flow.py"])
    monkeypatch.undo()
    assert (found.text, found.problems) == (git(project, "rev-parse", "HEAD"), [])


def test_an_archive_below_another_repository_has_no_revision(tmp_path: Path) -> None:
    repository(tmp_path)
    archive = tmp_path / "archive"
    archive.mkdir()
    found = provenance.revision(archive, [])
    assert found.text == "unknown"
    assert found.problems == [f"{archive} is in no git repository of its own: {tmp_path} is another project's"]


def test_without_a_repository_or_git_the_revision_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = provenance.revision(tmp_path, [])
    assert found.text == "unknown" and "not a git repository" in found.problems[0]
    git(tmp_path, "init", "-q")
    assert provenance.revision(tmp_path, []).text == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.revision(tmp_path, []) == provenance.Revision("unknown", ["git is not installed"])


def test_the_sources_of_a_run_are_lnfs_a_users_and_the_rule_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = copy_of_lnf(tmp_path, monkeypatch)
    monkeypatch.setattr(origin, "PACKAGE", package)
    shutil.copytree(ROOT / "rules" / "priors", tmp_path / "rules" / "priors")
    repository(tmp_path)
    assert origin.origin_of(tiny_spec("af_scf"))["unversioned"] == []
    (tmp_path / "own_flow.py").write_text("from lnf.flows.transforms import Affine\nclass Mine(Affine): ...\n")
    (tmp_path / "rules" / "priors" / "mine.smk").write_text(
        'prior("mine", label="Mine", time="af", hidden="scf", transform="own_flow.Mine")\n'
    )
    (tmp_path / "rules" / "priors" / "broken.smk").write_text("prior(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    spec = tiny_spec("af_scf")
    mine = spec.replace(prior=spec.prior.replace(name="mine", transform="own_flow.Mine"))
    found = origin.origin_of(mine)
    assert found["revision"].endswith("+")
    assert found["unversioned"] == [
        "own_flow.py is not in the commit", "rules/priors/mine.smk is not in the commit"
    ]  # fmt: skip
    (package / "system" / "locks.py").write_text("# changed\n")
    assert origin.origin_of(spec)["unversioned"] == ["lnf/system/locks.py differs from the commit"]


def test_a_run_of_sources_that_no_commit_has_is_refused_with_the_reasons(project: Path) -> None:
    facts = {"corpus": "c", "prior": "p", "seed": 0, "revision": "abc+", "unversioned": [f"{n}.py" for n in range(5)]}
    with pytest.raises(UserError, match=r"measured: c/p/0: made by abc\+: 0\.py; 1\.py; 2\.py; and 2 more; a run from"):
        require_known(facts, project)


def test_a_shallow_clone_is_told_what_it_lacks(project: Path, tmp_path: Path) -> None:
    first = git(project, "rev-parse", "HEAD")
    git(project, "commit", "-q", "--allow-empty", "-m", "more")
    facts = {"corpus": "c", "prior": "p", "seed": 0, "revision": first}
    require_known(facts, project)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{project}", "shallow")
    with pytest.raises(UserError, match=r"this clone is shallow.*type: git fetch --unshallow"):
        require_known(facts, tmp_path / "shallow")
    with pytest.raises(UserError, match=r"a revision that is not in git's history"):
        require_known({**facts, "revision": "0" * 40}, project)
    with pytest.raises(UserError, match=r"is no git repository, so that its history is not known"):
        require_known(facts, tmp_path)


def test_without_git_measured_says_what_is_missing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(UserError, match=r"measured: git is not installed"):
        require_known({"corpus": "c", "prior": "p", "seed": 0, "revision": "abc"}, project)


def test_a_model_says_which_of_todays_code_did_not_train_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edited class attribute; a definition that was only moved is the same."""
    corpus, spec = prepared(tmp_path), tiny_spec("af_scf", epochs=2, kl_anneal=False)
    training.train_run(spec, corpus, tmp_path / "run", context(spec))
    _, _, document = checkpoint.load(tmp_path / "run" / "model.pt")
    assert origin.other_code(document, spec) is None
    assert torch.load(tmp_path / "run" / "model.pt", weights_only=True)["definitions"] == document["definitions"]
    package = copy_of_lnf(tmp_path, monkeypatch)
    (package / "flows" / "split.py").write_bytes((package / "flows" / "time.py").read_bytes())
    (package / "flows" / "time.py").write_text("from lnf.flows.split import AutoregressiveTime\n")
    assert origin.other_code(document, spec) is None
    nlsq = package / "flows" / "transforms.py"
    text = nlsq.read_text(encoding="utf-8")
    assert "\nSTEEPNESS = " in text
    nlsq.write_text(text.replace("\nSTEEPNESS = ", "\nSTEEPNESS = 0.5 * "), encoding="utf-8")
    code_digests._sources.cache_clear()
    said = origin.other_code(document, spec)
    assert said is not None and "with other code than today's in lnf.flows.transforms.STEEPNESS" in said
