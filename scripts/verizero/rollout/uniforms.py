"""The random numbers of a completion: a pure function of its seed."""

from __future__ import annotations

import numpy as np

from verizero.artifacts.seeds import derive_seed


def uniforms(seed: int, sample: int, count: int) -> np.ndarray:
    """Numbers in [0, 1), one for each token of sample `sample` of a prompt with this seed.

    Philox-4x64 (Salmon et al. 2011, doi 10.1145/2063384.2063405) keyed by `derive_seed(seed, sample)`. A shorter
    request gives the beginning of a longer one. Below 1 - 2^-32, so that scaling by a sum near 1 cannot reach it.
    """
    generator = np.random.Generator(np.random.Philox(key=derive_seed(seed, sample)))
    return np.minimum(generator.random(count), 1 - 2.0**-32)
