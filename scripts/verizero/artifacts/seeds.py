"""Randomness as a pure function of (seed, purpose, step): resuming a run needs no generator state."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, from the run's seed.

    Equal arguments give equal seeds on every machine and Python version; different purposes give
    independent ones (BLAKE2b, 64 bits of digest, the sign bit dropped).
    """
    text = "\x1f".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest(), "big") >> 1
