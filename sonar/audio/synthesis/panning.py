"""Panning: how loud and how late each ear hears a sound."""

import math
from typing import NamedTuple

from sonar.config import AudioConfig


def pan_gain(pan: float, pan_db: float) -> float:
    """Gain of the LEFT ear; the right ear's is ``pan_gain(-pan, pan_db)``, exactly.

    The squares of both sum to 1 (constant power), and at ``pan`` = -1 the left ear gets
    ``pan_db`` more than the right: a level difference, exaggerated, is what bone conduction
    needs; a time difference hardly helps there.
    """
    return 1.0 / math.sqrt(1.0 + 10.0 ** (pan * pan_db / 10.0))


class Ears(NamedTuple):
    """Gains of both ears, and samples by which the right one hears it later (< 0: the left)."""

    left: float
    right: float
    lag: float


class Panning:
    """From pan to ears; for one ear (``audio.mono``) there is no side."""

    def __init__(self, audio: AudioConfig) -> None:
        self._pan_db = 0.0 if audio.mono else audio.pan_db
        self._itd_samples = 0.0 if audio.mono else audio.itd_us * 1e-6 * audio.rate_hz

    def ears(self, pan: float, gain: float = 1.0) -> Ears:
        """``pan`` from -1 (left) to 1; the opposite pan gives the ears exchanged, exactly."""
        left, right = pan_gain(pan, self._pan_db), pan_gain(-pan, self._pan_db)
        return Ears(gain * left, gain * right, -pan * self._itd_samples)
