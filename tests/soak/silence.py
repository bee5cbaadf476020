"""What is silence: neither a cue of guiding nor a sound of the supervisor's."""

from pathlib import Path

import numpy as np

from tests.soak.private_pulse import RATE_HZ

LOUD = 10 ** (-50 / 20)  # softer than this is silence
BLOCK_S = 0.02


def sounding(samples: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(n, 2): begin and end of each block of BLOCK_S in which something is heard."""
    size = round(RATE_HZ * BLOCK_S)
    count = samples.size // size
    blocks = samples[: count * size].reshape(-1, size)
    loud = np.sqrt((blocks**2).mean(axis=1)) > LOUD
    begins = times[: count * size : size][loud]
    return np.stack([begins, begins + BLOCK_S], axis=1)


def guidance(notes: Path) -> np.ndarray:
    """(n, 2): moments at which the guide handed a cue of guiding to the mixer."""
    lines = (line.split() for line in notes.read_text("utf-8").splitlines())
    at = [float(words[1]) for words in lines if words[0] == "post"]
    return np.stack([at, at], axis=1)


def gaps(spans: np.ndarray, begin: float, end: float) -> list[tuple[float, float]]:
    """(when, how long) of each time between ``begin`` and ``end`` that no span covers."""
    found, covered_to = [], begin
    for a, b in spans[np.argsort(spans[:, 0])]:
        if a > covered_to:
            found.append((covered_to, float(min(a, end)) - covered_to))
        covered_to = max(covered_to, float(b))
        if covered_to >= end:
            return found
    return [*found, (covered_to, end - covered_to)]
