"""matplotlib's SVG as a part of a page: ids that no other figure has, the page's colours, marks that say what they are.

A colour is a variable of the page with the printed colour as its default: black is the text's, white the background's.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any
from xml.etree import ElementTree

from lnf.report.figures.style import COLOURS

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LINK = re.compile(r'xlink:href="#([^"]+)"')
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_VARIABLES = {"#000000": "currentColor", "#ffffff": "var(--back, #ffffff)"} | {
    colour: f"var(--series-{n}, {colour})" for n, colour in enumerate(COLOURS) if colour != "#000000"
}
_FONT = re.compile(r"'DejaVu Sans'[^;]*")
_BEFORE = {"unit": " ", "sd": ", sd "}
"""What is between a value of a fact and the one before it."""
FONT = "'DejaVu Sans', Verdana, system-ui, sans-serif"


def inlined(text: str, name: str, facts: Mapping[str, Mapping[str, Any]]) -> str:
    """An SVG element, its ids beginning with `name`; `facts`: the id of each mark -> its values."""
    for prefix, uri in (("", SVG), ("xlink", XLINK)):
        ElementTree.register_namespace(prefix, uri)
    root = ElementTree.fromstring(text)
    for child in [child for child in root if child.tag == f"{{{SVG}}}metadata"]:
        root.remove(child)
    for parent in root.iter():
        for style in [child for child in parent if child.tag == f"{{{SVG}}}style"]:
            parent.remove(style)  # a rule for every element of the page; below, for this one
    del root.attrib["width"], root.attrib["height"]
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt; fill: currentColor")
    hints = {mark: hint(fact) for mark, fact in facts.items()}
    wanted = {*_REFERENCE.findall(text), *_LINK.findall(text)}
    for element in root.iter():
        _own(element, name, hints)
        _shorten(element, {f"{name}-{one}" for one in wanted})
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def hint(fact: Mapping[str, Any]) -> str:
    """The values of a mark, in a line."""
    words = [(key, shown(value)) for key, value in fact.items()]
    return "".join(f"{_BEFORE.get(key, ', ')}{value}" for key, value in words if value).removeprefix(", ")


def shown(value: Any) -> str:
    """A value of a fact as it is read: four significant digits."""
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _own(element: ElementTree.Element, name: str, hints: Mapping[str, str]) -> None:
    """Give an element's references, colours and font a form that the page can hold."""
    for key, value in list(element.attrib.items()):
        if key == "id":
            if value in hints:
                element.set("data-hint", hints[value])
            element.set(key, f"{name}-{value}")
        elif key == f"{{{XLINK}}}href":
            element.set(key, f"#{name}-{value[1:]}" if value.startswith("#") else value)
        else:
            value = _REFERENCE.sub(rf"url(#{name}-\1)", value)
            if key in ("style", "fill", "stroke"):
                value = _FONT.sub(FONT, _COLOUR.sub(lambda found: _VARIABLES.get(found[0], found[0]), value))
            element.set(key, value)


def _shorten(element: ElementTree.Element, wanted: Collection[str]) -> None:
    """Drop the ids that nothing refers to, and the white space between elements."""
    if element.get("id") not in wanted:
        element.attrib.pop("id", None)
    if element.tag != f"{{{SVG}}}text":
        element.text = (element.text or "").strip() or None
    element.tail = None
