"""How old the pictures are when their sound is heard."""

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis.mixer import Mixer

_KEPT = 8192


class AgeLog:
    """Frame-to-sound ages, written in the audio callback without allocating arrays."""

    def __init__(self, mixer: Mixer) -> None:
        self._mixer = mixer
        self._ages = np.zeros(_KEPT)
        self._count = 0
        self._seen = mixer.started.count

    def note(self, block_sample: int, heard_at_s: float) -> None:
        """Call after rendering a block whose first sample, ``block_sample``, is heard at
        ``heard_at_s`` on the clock that the frames' times are on."""
        started = self._mixer.started
        size = started.t.size
        while self._seen < started.count:
            slot = self._seen % size
            self._seen += 1
            if started.frame_id[slot] < 0:
                continue
            into_s = (int(started.sample[slot]) - block_sample) / self._mixer.rate_hz
            self._ages[self._count % _KEPT] = heard_at_s + into_s - float(started.t[slot])
            self._count += 1

    def since(self, count: int) -> tuple[int, NDArray[np.float64]]:
        """How many there were so far, and the newest of those after the first ``count``."""
        now = self._count
        numbers = np.arange(max(count, now - _KEPT), now)
        return now, self._ages[numbers % _KEPT]

    @property
    def ages_s(self) -> NDArray[np.float64]:
        """Seconds from a frame's capture to the first sample that carries its change."""
        return self._ages[: min(self._count, _KEPT)].copy()
