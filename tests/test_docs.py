"""The documents are true: the commands, paths and rules that they name exist. No trace of a machine is in the tree."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from pkgutil import resolve_name

import pytest
import torch

import lnf
from lnf import __main__
from lnf.app.new import files_of
from lnf.laws.check import check, require_laws
from lnf.plan.config import ROOT
from lnf.plan.options import known_options
from lnf.plan.rule_files import read_all
from lnf.runs.evaluation import evaluate_run
from lnf.runs.training import train_run
from lnf.spec import Options
from lnf.system.files import read_json
from tests.commands import of_commands
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
EACH = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
FOLDERS = "lnf|rules|workflow|profiles|tests|docs|bench|reports/paper|\\.ci"
GENERATED = re.compile(r"^(reports/out|results|logs|data|benchmarks)/")
PLACEHOLDER = re.compile(r"\*|\b(NAME|SPEC|CORPUS|PRIOR|SEED|RUN)\b")
EXAMPLES = {
    "rules/priors/iaf_af.smk",
    "rules/priors/af_af_sinh.smk",
    "lnf/flows/sinh_arcsinh.py",
    "rules/priors/transformer.smk",
    "sweep.md",
    "best.yaml",
}
"""Files that documents ask a reader to write."""
MACHINES = re.compile(
    r"(?<![\w.])/(?:work|root|home|opt|Users)/|/tmp/|bash_jobs|file:///"
    r"|\b10(?:\.\d+){3}\b|\b192\.168\.\d+\.\d+\b|--(?:extra-)?index-url[ =]\S*://(?!download\.pytorch\.org)"
)


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:^ {4}|`)make ([a-z][a-z0-9-]*)", document.read_text(), re.MULTILINE))
        assert named <= targets, f"{document.name}: {named - targets}"


def test_every_command_of_lnf_exists() -> None:
    known = set(of_commands())
    for document in [*DOCUMENTS, ROOT / "Makefile", ROOT / "config.yaml"]:
        if document.name != "CHANGELOG.md":  # which names what there was
            named = set(re.findall(r"(?:-m|bin/|`)lnf ([a-z][a-z-]*)", document.read_text(encoding="utf-8")))
            assert named <= known, f"{document.name}: {named - known}"


@EACH
def test_every_path_exists(document: Path) -> None:
    missing = [path for path in _paths(document) if not (ROOT / path).exists()]
    assert not missing, missing


@EACH
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


def _paths(document: Path) -> Iterator[str]:
    """Files of the project that a document names: below a known folder, or by a known ending in backquotes."""
    text = document.read_text(encoding="utf-8")
    named = re.findall(rf"(?<![\w./-])((?:{FOLDERS})/[\w./*-]*\w)", text)
    named += re.findall(r"`(\w[\w./-]*\.(?:md|toml|txt|yaml))`", text)
    for path in dict.fromkeys(named):
        if not (PLACEHOLDER.search(path) or GENERATED.match(path) or path in EXAMPLES):
            yield path


@pytest.mark.processes
def test_the_rulegraph_is_snakemakes(tmp_path: Path) -> None:
    block = re.search(r"<!-- rulegraph -->\n(.*?)<!-- /rulegraph -->", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js", "--snakefile", str(ROOT / "Snakefile")]
    done = subprocess.run([*command, "--directory", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert _edges(block[1]) == _edges(done.stdout)


def _edges(mermaid: str) -> set[tuple[str, str]]:
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", mermaid))
    return {(names[above], names[below]) for above, below in re.findall(r"(id\d+) --> (id\d+)", mermaid)}


def test_the_table_of_rows_is_the_rule_files() -> None:
    lines = re.findall(
        r"^\| `(\w+)` \| (.+?) \| (\S+) \| (\S+) \| (\S+) \|$", (ROOT / "docs" / "running.md").read_text(), re.M
    )
    variants = read_all(ROOT / "rules" / "priors").variants.values()
    parts = ("time", "hidden", "transform")
    rules = {
        (v.prior.name, v.prior.label, *(getattr(v.prior, part) or "-" for part in parts))
        for v in variants
        if not v.draft
    }
    assert set(lines) == rules


def test_every_configuration_is_in_the_table_of_configurations() -> None:
    text = (ROOT / "docs" / "running.md").read_text(encoding="utf-8").partition("| configuration |")[2]
    names = re.findall(r"^\| `(\w+)` \|", text.partition("\n\n")[0], re.M)
    assert sorted(names) == sorted(path.stem for path in (ROOT / "workflow" / "configs").glob("*.yaml"))


def test_the_documented_priors_are_read_and_invertible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "adding-a-prior.md").read_text(), re.DOTALL)
    combination, module, rule, _, _, spline = blocks
    (tmp_path / "splines.py").write_text(spline)
    (tmp_path / "documented.py").write_text(module)
    (tmp_path / "one.smk").write_text(combination)
    (tmp_path / "two.smk").write_text(rule.replace("lnf.flows.sinh_arcsinh", "documented"))
    monkeypatch.syspath_prepend(tmp_path)
    assert known_options("splines.SplineHidden") == {"bins"}
    variants = read_all(tmp_path).variants
    assert list(variants) == ["iaf_af", "af_af_sinh"]
    transform = resolve_name(str(variants["af_af_sinh"].prior.transform))
    y, *raw = torch.randn(
        1 + transform.parameters, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    e, log_slope = transform.to_noise(y.requires_grad_(), raw)
    back, log_slope_back = transform.to_latent(e, raw)
    torch.testing.assert_close(back, y)
    torch.testing.assert_close(log_slope_back, -log_slope)
    torch.testing.assert_close(torch.autograd.grad(e.sum(), y)[0].log(), log_slope.detach())


def test_the_documented_flows_are_those_that_lnf_new_writes() -> None:
    """Which the tests of `lnf new` hold against the laws."""
    page = (ROOT / "docs" / "adding-a-prior.md").read_text(encoding="utf-8")
    *_, time, hidden, _ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert time == dict(files_of("time", "last_step"))[Path("ideas", "last_step.py")]
    assert hidden == dict(files_of("hidden", "neighbours"))[Path("ideas", "neighbours.py")]


def test_no_machine_is_in_the_tree() -> None:
    for path in _texts():
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            where = f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
            assert path == Path(__file__) or not MACHINES.search(line), where
            assert path in (Path(__file__), ROOT / ".ci" / "run") or "../shared" not in line, where


def _texts() -> Iterator[Path]:
    """The text files that git knows or would know."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    for name in done.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and b"\0" not in path.read_bytes()[:8192]:
            yield path


def test_the_console_command_is_the_module() -> None:
    (command,) = [entry for entry in metadata.entry_points(group="console_scripts") if entry.name == "lnf"]
    assert command.load() is __main__.run


def test_no_two_modules_of_lnf_have_one_name() -> None:
    names = [path.stem for path in (ROOT / "lnf").rglob("*.py") if path.stem not in ("__init__", "base")]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_the_documented_model_obeys_the_laws_and_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, rule = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "adding-a-model.md").read_text(), re.DOTALL)
    (tmp_path / "ideas").mkdir()
    (tmp_path / "ideas" / "transformer.py").write_text(module, encoding="utf-8")
    (tmp_path / "transformer.smk").write_text(rule, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    variant = read_all(tmp_path).variants["transformer"]
    assert module == (ROOT / "beyond" / "transformer.py").read_text(encoding="utf-8")
    assert known_options("ideas.transformer.Transformer") == {"units", "layers", "heads", "dropout"}
    options = Options(model={"units": 8, "layers": 1, "heads": 4, "dropout": 0.1})
    spec = tiny_spec("lstm").replace(prior=variant.prior, options=options)
    train_run(spec, prepared(tmp_path), tmp_path / "run", context(spec))
    evaluate_run(spec, tmp_path / "data" / "tiny" / "c0ffee", tmp_path / "run", context(spec).digests, "e1")
    model = lnf.load(tmp_path / "run")
    assert model.elbo(model.batch(["abcde"])).isfinite().all()
    check(spec.replace(options=options), tmp_path / "check.json")
    assert len(read_json(tmp_path / "check.json")["laws"]) == 26


def test_what_check_says_of_the_documented_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "adding-a-prior.md").read_text(encoding="utf-8")
    _, module, rule, *_ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    broken = module.replace(" - 0.5 * torch.log1p(u * u) - s", " - s")
    assert broken != module
    (tmp_path / "mistaken.py").write_text(broken, encoding="utf-8")
    (tmp_path / "af_af_sinh.smk").write_text(rule.replace("lnf.flows.sinh_arcsinh", "mistaken"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(lnf.UserError) as caught:
        require_laws(tmp_path / "af_af_sinh.smk")
    assert f"lnf: {caught.value}" in " ".join(page.split())
