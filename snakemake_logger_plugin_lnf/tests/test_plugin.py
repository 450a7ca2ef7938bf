"""The plugin by its interface's own tests, and by real workflows."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase
from snakemake_interface_logger_plugins.tests import TestLogHandlerBase

from snakemake_logger_plugin_lnf import LogHandler

SNAKEFILE = """
rule all:
    input: "one", "two"
rule one:
    output: "one"
    log: "one.log"
    shell: "echo hello > {log}; touch {output}"
rule two:
    output: "two"
    log: "two.log"
    shell: "echo lnf: no such luck > {log}; exit 1"
"""


class TestByItsInterface(TestLogHandlerBase):
    __test__ = True

    @pytest.fixture(autouse=True)
    def _in_a_folder_of_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def get_log_handler_cls(self) -> type[LogHandlerBase]:
        handler: type[LogHandlerBase] = LogHandler
        return handler

    def get_log_handler_settings(self) -> LogHandlerSettingsBase:
        return LogHandlerSettingsBase()


def snakemake(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A workflow that is none of lnf's, with the plugin."""
    (folder / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "1", "--logger", "lnf"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.processes
def test_a_dry_run_prints_what_snakemake_prints(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "-n")
    assert done.returncode == 0 and "Job stats:" in done.stdout and "This was a dry-run" in done.stdout


@pytest.mark.processes
def test_where_nothing_begins_snakemakes_own_words_are_printed(tmp_path: Path) -> None:
    unknown = snakemake(tmp_path, "nonsense")
    assert unknown.returncode == 1 and "No rule to produce nonsense" in unknown.stderr
    assert "Building DAG" not in unknown.stderr
    (tmp_path / "one").touch()
    finished = snakemake(tmp_path, "one")
    assert finished.returncode == 0 and "Nothing to be done" in finished.stderr
    assert "Unlocked working directory" in snakemake(tmp_path, "--unlock").stderr


@pytest.mark.processes
def test_a_failed_job_that_is_none_of_the_plan_is_told_as_snakemake_tells_it(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "--keep-going")
    assert done.returncode == 1 and "Error in rule two:" in done.stderr and "two.log" in done.stderr
    assert "Error in rule one:" not in done.stderr and (tmp_path / "one").exists()


def test_an_error_in_the_plugin_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    handler = TestByItsInterface()._create_handler()
    record = logging.makeLogRecord({"msg": "x", "event": "job_finished"})  # without a job's number
    handler.emit(record)
    assert "KeyError" in capsys.readouterr().err
