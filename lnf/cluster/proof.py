"""The proof that every node of a user's cluster sees this project folder, with equal versions and code."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lnf.cluster.worker import look
from lnf.errors import UserError
from lnf.system.files import digest
from lnf.system.locks import locked

WAIT_S = 120.0


Node = Mapping[str, Any]
"""What Ray says of a node."""


def prove(folder: Path, address: str, nodes: Sequence[Node], ask: Callable[[Node, str], dict[str, str]]) -> None:
    """Look at every node, once per workflow and cluster; what was proved stands in `folder`.

    `ask(node, nonce)` runs `lnf.cluster.worker.look(nonce)` on a node. Raises UserError that names the node and the
    difference.
    """
    proof = folder / f"proved-{digest([address, sorted(node['NodeID'] for node in nodes)])}"
    with locked(folder / "lock", WAIT_S, "ray: another client is looking at the nodes"):
        if proof.exists():
            return
        nonce = (folder / f"nonce-{secrets.token_hex(8)}").absolute()
        nonce.write_text(secrets.token_hex(16), encoding="utf-8")
        try:
            expected = look(str(nonce))
            for node in nodes:
                _compare(node["NodeManagerAddress"], expected, ask(node, str(nonce)))
        finally:
            nonce.unlink()
        proof.touch()


def _compare(node: str, expected: dict[str, str], facts: dict[str, str]) -> None:
    for key, value in expected.items():
        if facts[key] != value and key == "nonce":
            raise UserError(f"RAY_ADDRESS: node {node} sees another project folder at {Path.cwd()}; share this one")
        if facts[key] != value:
            raise UserError(f"RAY_ADDRESS: node {node} has {key} {facts[key]}, this machine {value}; make them equal")
