"""Units used in tables; everything else is in nats."""

import math


def nats_in(unit: str) -> float:
    """Nats in one unit: of bits (bpc are bits per character) log 2, of nats 1."""
    return math.log(2) if unit == "bpc" or unit.startswith("bits/") else 1.0
