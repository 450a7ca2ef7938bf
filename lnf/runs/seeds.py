"""Named streams of random numbers: one seed, and no noise that moves another."""

import hashlib

import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for a stream, from the run's seed and the stream's name."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(device: torch.device, seed: int, *names: str | int) -> torch.Generator:
    """A generator on `device` for a named stream."""
    return torch.Generator(device).manual_seed(derive(seed, *names))
