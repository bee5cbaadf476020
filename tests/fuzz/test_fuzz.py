"""The readers of a stranger's bytes: what broke them once, their seeds, and changed seeds.

The long search is ``python -m tests.fuzz.run NAME``; here a few hundred changes, always the same.
"""

from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.seeds import found, seeds
from tests.fuzz.targets import TARGETS, call

CHANGES = {"images": 150, "videos": 30, "models": 60, "controls": 25}


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_what_was_found(name: str, tmp_path: Path) -> None:
    for data in [*seeds(name), b"", *(path.read_bytes() for path in found(name))]:
        call(name, data, tmp_path)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_seeds(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(17)
    pool = seeds(name)
    for _ in range(CHANGES.get(name, 200)):
        call(name, changed(pool[rng.integers(len(pool))], rng), tmp_path)


def changed(data: bytes, rng: np.random.Generator) -> bytes:
    """``data`` with bytes overwritten, cut out or repeated in a few places."""
    made = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(len(made) + 1))
        length = int(rng.integers(1, 9))
        kind = rng.integers(4)
        if kind == 0:
            made[at : at + length] = rng.bytes(length)
        elif kind == 1:
            del made[at : at + length * 4]
        elif kind == 2:
            made[at:at] = made[max(0, at - length) : at] * int(rng.integers(1, 20))
        else:
            made[at : at + 1] = bytes([int(rng.choice([0, 1, 127, 128, 255, 10, 34, 58]))])
    return bytes(made)
