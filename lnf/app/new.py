"""`lnf new KIND NAME`: the files of a variant or corpus of one's own, from templates that work as they are."""

import keyword
import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

from lnf.errors import UserError
from lnf.spec import BUILTINS, LONGEST_NAME

TEMPLATES = Path(__file__).parent / "templates"
KINDS = ("prior", "transform", "hidden", "time", "model", "corpus")
AF_SCF = {"time": "af", "hidden": "scf", "transform": "nlsq"}
"""What a new part is combined with."""
RULE = '''"""$label. Say here what it is."""

prior("$name", label="$label", $parts, draft=True)
'''
OVERLAY = """# $label next to AF / AF: give it after another overlay, as workflow/configs/demo.yaml.
name: $name
select: {priors: [af_af, $name], seeds: [0], role_seeds: {}}
"""


CORPUS = """# $label: a corpus of the files in the folder $name, read by ideas/$name.py. Give it after another overlay.
name: $name
corpora:
  $name:
    kind: symbols
    roles: [main]
    prepare: {source: ideas.$name.read, inputs: $name}
select: {corpora: [$name], priors: [lstm, af_af], seeds: [0], role_seeds: {}}
"""


def new(kind: str, name: str) -> list[Path]:
    """Write the files of a new variant or corpus below the working directory; returns them.

    Raises UserError for a name that cannot be one, and, before it writes, if a file is there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or len(name) > LONGEST_NAME:
        raise UserError(f"new: {name!r}: give lower-case letters, digits and _, at most {LONGEST_NAME}, and no keyword")
    if not Path("rules", "priors").is_dir():
        raise UserError(f"new: {Path.cwd()}: has no rules/priors; start it in the folder of the project")
    files = dict(files_of(kind, name))
    for path in files:
        if path.exists():
            raise UserError(f"new: {path} is there already; choose another name")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)


def files_of(kind: str, name: str) -> Iterator[tuple[Path, str]]:
    """The files of something new, and what is in them."""
    words = name.split("_")
    filled = {"name": name, "Class": "".join(word.capitalize() for word in words), "label": " ".join(words)}
    if kind == "corpus":
        yield Path("ideas", f"{name}.py"), _template(kind).substitute(filled)
        yield Path("ideas", f"test_{name}.py"), _template("corpus_test").substitute(filled)
        yield Path("workflow", "configs", f"{name}.yaml"), Template(CORPUS).substitute(filled)
        return
    parts = AF_SCF if kind != "model" else {}
    if kind in BUILTINS:
        parts = parts | {kind: f"ideas.{name}.{filled['Class']}"}
        yield Path("ideas", f"{name}.py"), _template(kind).substitute(filled)
    yield Path("ideas", f"test_{name}.py"), _template("test").substitute(filled)
    written = ", ".join(f'{part}="{value}"' for part, value in parts.items())
    yield Path("rules", "priors", f"{name}.smk"), Template(RULE).substitute(filled, parts=written)
    yield Path("workflow", "configs", f"{name}.yaml"), Template(OVERLAY).substitute(filled)


def _template(name: str) -> Template:
    return Template((TEMPLATES / f"{name}.template").read_text(encoding="utf-8"))
