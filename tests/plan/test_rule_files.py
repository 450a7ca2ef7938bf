"""Rule files of variants: what they declare, and one line for each mistake."""

from pathlib import Path

import pytest

from lnf.errors import UserError
from lnf.plan import config, rule_files
from lnf.plan.code_digests import sources
from lnf.spec import BUILTINS

PAPER = config.load(config.read())


def test_rule_files_declare_what_the_paper_has() -> None:
    parts = {name: (prior.time, prior.hidden, prior.transform) for name, prior in PAPER.priors.items()}
    assert parts["lstm"] == (None, None, None)
    assert parts["iaf_scf"] == ("iaf", "scf", "nlsq")
    assert parts["af_only"] == ("none", "af", "nlsq")
    assert parts["af_none_affine"] == ("af", "none", "affine")
    assert [variant.prior.role for variant in PAPER.variants.values() if not variant.draft] == [
        "main",
        "independent",
    ] + ["main"] * 3 + ["ablation"] * 3 + ["picture"]


def test_builtin_names_exist() -> None:
    for key, names in BUILTINS.items():
        for name, path in names.items():
            assert sources().module_of(path, "class") and rule_files.read_part("x", key, path) == name
            parts = dict.fromkeys(("time", "hidden", "transform"), None)
            if key != "model":
                parts = {"time": "af", "hidden": "af", "transform": "nlsq", key: name}
                rule_files.declare("x", "X", **parts)
            else:
                rule_files.declare("x", "X", model=name, **({} if name == "lstm" else LATENT))


LATENT = {"time": "af", "hidden": "af", "transform": "nlsq"}
GOOD = 'prior("mine", label="Mine", time="af", hidden="af", transform="nlsq")\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            GOOD.replace("nlsq", "nlsqq"),
            "transform: 'nlsqq': must be one of nlsq, affine or the dotted path of a class",
        ),
        (GOOD.replace('"nlsq"', '"lnf.flows.transforms.NLS"'), "lnf.flows.transforms does not define NLS"),
        (GOOD.replace('"nlsq"', '"nowhere.Thing"'), "no module of this name"),
        (GOOD.replace(', transform="nlsq"', ""), "prior mine: transform: missing"),
        (GOOD.replace("time=", "tmie="), "tmie: unknown key; known are name, label"),
        (GOOD.replace('"af", h', "af, h"), "time: af: must be a literal, or a name that is assigned one above"),
        (GOOD.replace("mine", "Mine!"), "name: must be lower-case letters"),
        (GOOD.replace('"nlsq")', '"nlsq", role="mian")'), "role: 'mian': must be one of main, independent, ablation"),
        (GOOD + GOOD, "has 2 prior(...) statements; must have one"),
        ("", "has 0 prior(...) statements; must have one"),
        ('prior("mine", \n', "mine.smk: line 1: not a statement prior("),
        ('prior("mine", "Mine")\n', "only the name may be without a key"),
        ('prior("mine")\n', "label: missing"),
        (GOOD.replace('"Mine"', '"Mi\\nne"'), "label: 'Mi\\nne': must be one line of text"),
        ('prior("mine", label="M", model="lstm", time="af")\n', "not for model 'lstm', which has no latent"),
    ],
)
def test_mistakes_in_rule_files_get_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "mine.smk").write_text(text)
    (problem,) = rule_files.read_all(tmp_path).problems.values()
    assert line in problem
    assert problem.startswith("mine.smk:")
    assert "\n" not in problem


def test_two_rule_files_of_one_prior(tmp_path: Path) -> None:
    (tmp_path / "one.smk").write_text(GOOD)
    (tmp_path / "two.smk").write_text(GOOD)
    with pytest.raises(UserError, match=r"prior mine: declared in both one\.smk and two\.smk"):
        rule_files.read_all(tmp_path)


def test_editors_files_are_no_variants(tmp_path: Path) -> None:
    (tmp_path / "mine.smk").write_text(GOOD, encoding="utf-8")
    (tmp_path / ".#mine.smk").symlink_to("nobody@nowhere.1234")
    (tmp_path / "._mine.smk").write_bytes(b"\x00\x05\x16\x07")
    assert list(rule_files.read_all(tmp_path).variants) == ["mine"]


def test_rule_file_may_hold_rules(tmp_path: Path) -> None:
    rules = '\n\nuse rule train as train_mine with:\n    threads: 4\n\n\nif config["x"]:\n    pass\n'
    (tmp_path / "mine.smk").write_text('"""What it is."""\n\n' + GOOD.replace(", ", ",\n    ") + rules)
    assert rule_files.read_all(tmp_path).variants["mine"].prior.label == "Mine"


def test_a_draft_that_cannot_be_read_is_a_draft(tmp_path: Path) -> None:
    """Then it stops no configuration that runs all variants."""
    (tmp_path / "beyond").mkdir()
    missing = GOOD.replace('"nlsq"', '"not.there.Transform"')
    (tmp_path / "beyond" / "draft.smk").write_text(missing.replace(")\n", ", draft=True)\n"))
    (tmp_path / "mine.smk").write_text(missing)
    declared = rule_files.read_all(tmp_path)
    assert set(declared.problems) == {"draft", "mine"} and declared.drafts == {"draft"}
