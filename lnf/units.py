"""Units used in tables; everything else is in nats."""

import math

UNITS: dict[str, tuple[str, float]] = {"text": ("bpc", math.log(2)), "music": ("nats/step", 1.0)}
"""Kind of corpus -> (unit of its tables, nats in one unit). bpc: bits per character."""
