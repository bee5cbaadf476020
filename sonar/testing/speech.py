"""A speaker without a synthesizer: for tests, and to try a set-up of your own."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from sonar.audio.cues.phrases import PHRASES


class FakeSpeaker:
    """A :class:`~sonar.ports.Speaker` whose phrases are tones, each at its own pitch.

    Args:
        rate_hz: sample rate.
        length_s: of every phrase, or of each by its key (others: 0.5 s).
        missing: keys that are never there.
        level: peak, in [0, 1].

    Attributes:
        asked: every key given to :meth:`get`, in order.
        closed: :meth:`close` was called.
    """

    def __init__(
        self,
        rate_hz: int = 48_000,
        length_s: float | Mapping[str, float] = 0.5,
        missing: Iterable[str] = (),
        level: float = 0.5,
    ) -> None:
        self._rate_hz, self._length_s, self._level = rate_hz, length_s, level
        self._missing = frozenset(missing)
        self.asked: list[str] = []
        self.closed = False

    @staticmethod
    def pitch_hz(phrase: str) -> float:
        """The tone of a phrase: 300 Hz for the first of the list, 10 Hz more for each next."""
        return 300.0 + 10.0 * list(PHRASES).index(phrase)

    def get(self, phrase: str) -> NDArray[np.float32] | None:
        """The tone: float32 of shape ``(n,)``, 5 ms ramps; None for a missing or unknown key."""
        self.asked.append(phrase)
        if phrase in self._missing or phrase not in PHRASES:
            return None
        length_s = self._length_s
        if isinstance(length_s, Mapping):
            length_s = length_s.get(phrase, 0.5)
        n = round(length_s * self._rate_hz)
        t = np.arange(n) / self._rate_hz
        ramp = np.clip(np.minimum(t, t[::-1]) / 0.005, 0.0, 1.0)
        tone = self._level * ramp * np.sin(2.0 * math.pi * self.pitch_hz(phrase) * t)
        return tone.astype(np.float32)

    def text(self, phrase: str) -> str:
        """The key's own words."""
        return PHRASES[phrase].key.replace("_", " ")

    def prepare(self, timeout_s: float) -> bool:
        """True when nothing is missing."""
        return not self._missing

    def close(self) -> None:
        self.closed = True
