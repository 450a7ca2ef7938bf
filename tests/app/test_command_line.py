"""The command line: one line for each mistake, and what `lnf spec` prints."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from lnf.app.command_line import FOR_PEOPLE, main, parser
from lnf.plan import config
from lnf.plan.results import run_of
from lnf.plan.run import Run
from lnf.plan.stages import STAGES
from lnf.system.provenance import revision
from tests.commands import of_commands

PAPER = config.load(config.read())


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["spec", "ptb", "af_aff", "0"], "lnf: config: af_aff: no such entry in priors; did you mean af_af?"),
        (["train", "nowhere.json", "--data", "d", "--out", "o"], "lnf: nowhere.json: no such file"),
        (["train", str(config.ROOT / "Makefile")], f"lnf: {config.ROOT / 'Makefile'}: not JSON"),
        (["spec", "ptb", "lstm", "0", "--configfile", "no.yaml"], "lnf: config: no.yaml: no such file"),
    ],
)
def test_command_line_mistakes(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith(line)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["spec", "ptb", "lstm", "one"], "lnf: argument seed: invalid int value: 'one'; see lnf spec --help\n"),
        (["trian"], "lnf: trian: no such command; did you mean train?; see lnf --help\n"),
        (["ui", "xyz"], "lnf: xyz: no such option or argument; known are -h, --help, --port; see lnf ui --help\n"),
        (["new", "prio", "x"], "lnf: prio: no such kind; did you mean prior?; see lnf new --help\n"),
        (
            ["run", "--corez", "2"],
            "lnf: --corez: no such option or argument; did you mean --cores?; see lnf run --help\n",
        ),
        (["sync"], "lnf: the following arguments are required: name; see lnf sync --help\n"),
        ([], "lnf: the following arguments are required: COMMAND; see lnf --help\n"),
        (["run", "--cores", "0"], "lnf: --cores 0: a number above 0, or all, would be right\n"),
        (["run", "--cores", "-1"], "lnf: --cores -1: a number above 0, or all, would be right\n"),
        (["run", "--cores", "many"], "lnf: --cores many: a number above 0, or all, would be right\n"),
    ],
)
def test_a_command_that_is_itself_wrong_ends_with_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == line


def test_every_command_and_every_option_is_explained() -> None:
    for name, one in of_commands().items():
        assert one.description, name
        assert [action.dest for action in one._actions if not action.help] == [], name


def test_the_help_lists_what_people_type_and_names_jobs_below() -> None:
    listed, _, jobs = parser().format_help().partition("Jobs, which Snakemake starts")
    commands = {name for name in of_commands() if re.search(rf"^    {name}\b", listed, re.MULTILINE)}
    assert {"run", "status", "sample"} <= commands and commands & set(STAGES) == set(FOR_PEOPLE)
    assert commands | {name for name in STAGES if re.search(rf"\b{name}\b", jobs)} == set(of_commands())


def test_the_version_names_the_revision(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    found = capsys.readouterr().out.strip()
    assert found == f"lnf {version('lnf')}, revision {revision(config.ROOT).text}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_learns_the_commands_that_people_type(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("sample", "status", "configfile")) and "exhibits" not in script


def test_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = tmp_path / "completion.sh"
    ask = "COMP_WORDS=(lnf sta); COMP_CWORD=1; _shtab_lnf; echo ${COMPREPLY[*]}"
    script.write_text(capsys.readouterr().out + ask, encoding="utf-8")
    assert subprocess.run(["bash", script], capture_output=True, encoding="utf-8", check=True).stdout == "status\n"


@pytest.mark.processes
def test_both_ways_to_start_find_the_modules_of_this_folder(tmp_path: Path) -> None:
    """The command `lnf` of an environment, as `python -m lnf`: rules of one's own name such modules."""
    (tmp_path / "mine.py").write_text("", encoding="utf-8")
    code = (
        "import sys; sys.argv = ['lnf', 'schema']; sys.path[0] = '/nowhere'; "
        "import lnf.__main__ as it; it.run(); import mine"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "PYTHONPATH": str(config.ROOT)})  # fmt: skip


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
