"""ptb, polyphonic and chorales: what they read, and what they refuse."""

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from lnf.corpora.sources import chorales, polyphonic, ptb, workers
from lnf.errors import UserError
from tests.patience import wait_for


def text_files(folder: Path, train: str, valid: str = "ab\n", test: str = "ab\n") -> dict[str, Path]:
    for name, text in (("train", train), ("valid", valid), ("test", test)):
        (folder / f"{name}.txt").write_bytes(text.encode("latin1"))
    return {f"{name}.txt": folder / f"{name}.txt" for name in ("train", "valid", "test")}


def mat_file(folder: Path, **changes: Any) -> dict[str, Path]:
    cells = {}
    for n, name in enumerate(("traindata", "validdata", "testdata")):
        cells[name] = np.empty((1, 2), dtype=object)
        for k in range(2):
            cells[name][0, k] = (np.arange((n + k + 2) * 88).reshape(-1, 88) % 7 == 0).astype(np.uint8)
    savemat(folder / "set.mat", cells | changes)
    return {"set.mat": folder / "set.mat"}


def one_cell(value: Any) -> np.ndarray:
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = value
    return cell


def test_ptb_strips_lines_and_takes_its_symbols_from_train(tmp_path: Path) -> None:
    corpus = ptb.read({}, text_files(tmp_path, " b a \n <c>\n\n", "a b\n", "c"))
    assert corpus.vocabulary == [" ", "<", ">", "a", "b", "c"]
    assert [x.tolist() for x in corpus.splits["train"]] == [[4, 0, 3], [1, 5, 2], []]
    assert [x.tolist() for x in corpus.splits["valid"]] == [[3, 0, 4]]
    assert [x.tolist() for x in corpus.splits["test"]] == [[5]]


def test_ptb_drops_a_byte_order_mark(tmp_path: Path) -> None:
    corpus = ptb.read({}, text_files(tmp_path, "\xef\xbb\xbfab\n", "\xef\xbb\xbfa\n", "b"))
    assert corpus.vocabulary == ["a", "b"] and corpus.splits["train"][0].tolist() == [0, 1]


def test_ptb_refuses_unknown_symbols_empty_files_and_bytes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"valid.txt: characters \['z'\]"):
        ptb.read({}, text_files(tmp_path, "ab\n", "abz\n"))
    with pytest.raises(UserError, match=r"train\.txt: no characters; one at least"):
        ptb.read({}, text_files(tmp_path, ""))
    with pytest.raises(UserError, match=r"train\.txt: not UTF-8"):
        ptb.read({}, text_files(tmp_path, "caf\xe9\n"))


def test_polyphonic_reads_rolls(tmp_path: Path) -> None:
    corpus = polyphonic.read({}, mat_file(tmp_path))
    assert corpus.vocabulary is None and corpus.width == 88
    assert [[x.shape for x in corpus.splits[split]] for split in ("train", "test")] == [
        [(2, 88), (3, 88)],
        [(4, 88), (5, 88)],
    ]
    np.testing.assert_array_equal(corpus.splits["valid"][0], (np.arange(3 * 88).reshape(-1, 88) % 7 == 0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"validdata": one_cell(np.zeros((4, 87)))}, r"validdata\[0\] has shape \[4, 87\]; \[steps, 88\]"),
        ({"validdata": one_cell(np.zeros((4, 88)) + 2)}, "other than 0 and 1"),
        ({"validdata": one_cell("text")}, r"validdata\[0\] has shape"),
        ({"testdata": np.zeros((4, 88))}, "testdata is float64 of shape"),
        ({"traindata": np.array([[1], ["a"]], dtype=object)}, r"traindata is object of shape \[2, 1\]"),
    ],
)
def test_polyphonic_refuses_other_shapes(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        polyphonic.read({}, mat_file(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_polyphonic_refuses_what_is_no_mat_file(tmp_path: Path) -> None:
    files = mat_file(tmp_path)
    whole = files["set.mat"].read_bytes()
    for damaged in (b"", b"<html>no</html>", whole[: len(whole) // 2], b"\x00" * 300):
        files["set.mat"].write_bytes(damaged)
        with pytest.raises(UserError, match=r"set\.mat: (not a MATLAB|traindata is)"):
            polyphonic.read({}, files)


def test_chorales_to_c_and_beats() -> None:
    assert [chorales.to_c(tonic) for tonic in range(12)] == [0, -1, -2, -3, -4, -5, -6, 5, 4, 3, 2, 1]
    assert all((tonic + chorales.to_c(tonic)) % 12 == 0 for tonic in range(12))
    for start, length, beats in [("0", "1", [0]), ("1/2", "1", [1]), ("1/2", "1/2", []), ("-1/2", "2", [0, 1])]:
        chosen = chorales.beats_within(Fraction(start), Fraction(length))
        assert list(range(9))[chosen] == beats


def test_chorales_score_is_transposed_and_sampled_on_beats() -> None:
    chorale = chorales.parse("269")  # Aus meines Herzens Grunde, G major, three beats with an upbeat
    written = [
        [43, 59, 62, 67],
        [55, 59, 62, 67],
        [52, 60, 64, 67],
        [54, 57, 62, 74],
    ]  # MIDI, read off the MusicXML text
    sounding = [(np.flatnonzero(keys) + 21).tolist() for keys in chorale.roll[:4]]
    assert sounding == [[note + 5 for note in beat] for beat in written]
    assert chorale.work == 269 and len(chorale.tune) == chorales.TUNE_MOVES


def fake(name: str, *moves: int) -> chorales.Chorale:
    return chorales.Chorale(name, np.zeros((1, 88), dtype=np.uint8), moves)


def test_chorales_works_and_tunes_stay_together() -> None:
    pieces = [fake("2.6", 1), fake("10.7", 5), fake("11.6", 2), fake("11.8", 5), fake("20.1", 3), fake("26", 4)]
    split = chorales.assign(pieces)
    assert split["10.7"] == split["11.6"] == split["11.8"] == "valid"  # 10 and 11 share a tune; 10 mod 5 = 0
    assert split["2.6"] == "train" and split["20.1"] == "valid" and split["26"] == "test"
    joined = chorales.assign([*pieces, fake("26.1", 3), fake("2.9", 4)])
    assert joined["2.6"] == joined["20.1"] == joined["26"] == "train"
    assert chorales.assign(pieces[::-1]) == split


def test_chorales_tune_is_the_same_after_transposition_and_rests() -> None:
    roll = np.zeros((8, 88), dtype=np.uint8)
    for t, key in enumerate([40, 40, 42, -1, 44, 42, 42, 40]):
        if key >= 0:
            roll[t, key] = 1
    assert chorales.tune(roll) == (2, 2, -2, -2) == chorales.tune(np.roll(roll, 5, axis=1))


KILLED = """
import sys, time
from lnf.corpora.sources.workers import map_with_progress
if __name__ == "__main__":
    print("ready", flush=True)
    map_with_progress(time.sleep, [3600.0] * 8, "sleeping")
"""


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="this system has no /proc")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(KILLED)
    environment = os.environ | {"PYTHONPATH": str(Path(workers.__file__).parents[3])}
    parent = subprocess.Popen([sys.executable, str(tmp_path / "script.py")], env=environment, start_new_session=True)
    try:
        wait_for(lambda: len(session(parent.pid)) > 1 + workers.allowed_cpus())  # itself, workers, resource tracker
        time.sleep(1.0)  # by then they are at work; killed earlier they end as well
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not session(parent.pid))


def session(leader: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found
