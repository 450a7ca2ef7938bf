"""The command line: one line for each mistake, and what `lnf spec` prints."""

import json
from pathlib import Path

import pytest

from lnf.app.command_line import main, parser
from lnf.plan import config
from lnf.plan.results import run_of
from lnf.plan.run import Run

PAPER = config.load(config.read())


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["spec", "ptb", "af_aff", "0"], "lnf: config: af_aff: no such entry in priors; did you mean af_af?"),
        (["spec", "ptb", "lstm", "one"], "lnf: argument seed: invalid int value: 'one'"),
        (["trian"], "lnf: argument COMMAND: invalid choice: 'trian'"),
        (["train", "nowhere.json", "--data", "d", "--out", "o"], "lnf: nowhere.json: no such file"),
        (["train", str(config.ROOT / "Makefile")], f"lnf: {config.ROOT / 'Makefile'}: not JSON"),
        (["run", "--cores", "0"], "lnf: --cores 0: a number above 0, or all, would be right"),
        (["run", "--cores", "-1"], "lnf: --cores -1: a number above 0, or all, would be right"),
        (["run", "--cores", "many"], "lnf: --cores many: a number above 0, or all, would be right"),
        (["spec", "ptb", "lstm", "0", "--configfile", "no.yaml"], "lnf: config: no.yaml: no such file"),
    ],
)
def test_command_line_mistakes(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith(line)


def test_command_line_prints_a_spec_and_its_origins(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "ptb", "iaf_scf", "1"]) == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["model.flow_layers"] == ["3", "priors.iaf_scf.text"]
    assert main(["spec", "ptb", "iaf_scf", "1", "--json"]) == 0
    run = Run.from_dict(json.loads(capsys.readouterr().out))
    assert run.spec == config.resolve(PAPER, "ptb", "iaf_scf", 1) and run == run_of(PAPER, "ptb", "iaf_scf", 1)
    assert main(["spec", "ptb", "iaf_scf", "1", "--folder"]) == 0
    assert capsys.readouterr().out == f"results/paper/ptb/iaf_scf/1/{run.digest}\n"


def test_several_configfiles_may_follow_one_option(tmp_path: Path) -> None:
    """As Snakemake reads them; the later one wins."""
    for name, value in (("a", "one"), ("b", "two")):
        (tmp_path / f"{name}.yaml").write_text(f"name: {value}\n", encoding="utf-8")
    files = [str(tmp_path / name) for name in ("a.yaml", "b.yaml")]
    for words in (["--configfile", *files], ["--configfile", files[0], "--configfile", files[1]]):
        found = parser().parse_args(["run", *words])
        assert list(map(str, found.configfile)) == files
    assert config.read(list(map(Path, files)))["name"] == "two"
