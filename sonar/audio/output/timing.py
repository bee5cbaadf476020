"""The time of a sound device: how old frames are when they are heard, and who made it wait."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis import Mixer

PRIORITY = 5  # of the audio thread, 1 to 99: after the kernel's own and a sound server's
SWITCH_S = 0.0005  # the longest that Python code of another thread keeps a block waiting
_KEPT = 8192  # ages


class AgeLog:
    """Frame-to-sound ages, written in the audio callback without allocating arrays."""

    def __init__(self, mixer: Mixer) -> None:
        self._mixer = mixer
        self._ages = np.zeros(_KEPT)
        self._count = 0

    def note(self, block_sample: int, heard_at_s: float) -> None:
        """Call after rendering a block whose first sample, ``block_sample``, is heard at
        ``heard_at_s`` on the clock that the frames' times are on."""
        onsets = self._mixer.onsets
        while onsets:
            onset = onsets.popleft()
            if onset.frame_id >= 0:
                into_s = (onset.sample - block_sample) / self._mixer.rate_hz
                self._ages[self._count % _KEPT] = heard_at_s + into_s - onset.t
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


class Lateness:
    """Whether the last blocks were rendered in time.

    The device's clock and sonar's own differ by an unknown offset. The least difference ever seen
    is that of a block which did not wait; it may grow by a thousandth of the time that passes, for
    clocks drift.
    """

    _DRIFT = 1e-3
    _SPARE_BLOCKS = 2

    def __init__(self) -> None:
        self._least_s = math.inf
        self._left = 0  # blocks for which a late one may still be the cause of a gap

    @property
    def recent(self) -> bool:
        """A block was late, and what was buffered before it may have run out since."""
        return self._left > 0

    def note(
        self, asked_device_s: float, begun_s: float, done_s: float, block_s: float, lead_s: float
    ) -> None:
        """One block.

        Args:
            asked_device_s: when the device asked for it, on its clock; 0 where it does not say.
            begun_s, done_s: when rendering began and ended, on sonar's.
            block_s: how long it lasts.
            lead_s: how long after being asked for it is heard, as the device expects.
        """
        waited_s = 0.0
        if asked_device_s > 0.0:
            behind_s = begun_s - asked_device_s
            self._least_s = min(self._least_s + self._DRIFT * block_s, behind_s)
            waited_s = behind_s - self._least_s
        self._left = max(0, self._left - 1)
        if waited_s + done_s - begun_s > block_s:
            self._left = math.ceil(max(0.0, lead_s) / block_s) + self._SPARE_BLOCKS


@contextmanager
def quick_switching() -> Iterator[None]:
    """Python's threads take turns every half millisecond instead of every five: a block of sound
    lasts ten, and must not wait for half of that."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(min(before_s, SWITCH_S))
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)
