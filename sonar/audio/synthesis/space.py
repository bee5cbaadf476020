"""Where a sound comes from: what every voice needs to reach both ears.

:class:`Panned`: a level difference and a small delay.
"""

from typing import Protocol

from sonar.audio.synthesis.lag import Lag, LagGlide
from sonar.audio.synthesis.synth import Ears, Panning, Samples
from sonar.audio.synthesis.tables import QUANTUM
from sonar.config import AudioConfig


class Spot(Protocol):
    """Puts one voice's waves where they belong; a voice stays in its place."""

    def clear(self) -> None:
        """A new sound begins."""

    def add(self, bus: Samples, wave: Samples, ears: Ears) -> None:
        """One quantum; ``wave`` float32 ``(QUANTUM,)`` is read only."""


class Glide(Protocol):
    """Puts a steady tone where it belongs, and moves it without a click."""

    @property
    def active(self) -> bool:
        """Audible, or about to be."""

    def begin(self, ears: Ears) -> None:
        """Silent so far: start at ``ears``' place, not from the last one."""

    def head_for(self, ears: Ears) -> None:
        """From the coming quantum on, move there."""

    def release(self) -> None:
        """Fade out."""

    def add(self, bus: Samples, wave: Samples) -> None:
        """One quantum."""


class Space(Protocol):
    """Makes places out of pans."""

    def ears(self, pan: float) -> Ears:
        """``pan`` from -1 (left) to 1."""

    def spot(self) -> Spot: ...

    def glide(self) -> Glide: ...

    def finish(self, bus: Samples) -> bool:
        """After every voice has added its quantum: add what the space itself still holds.

        Returns whether that was anything.
        """


class Panned:
    """Level, and where it is configured time, tell the side."""

    def __init__(self, panning: Panning) -> None:
        self._panning = panning

    def ears(self, pan: float) -> Ears:
        return self._panning.ears(pan)

    def spot(self) -> Spot:
        return Lag(QUANTUM)

    def glide(self) -> Glide:
        return LagGlide(QUANTUM)

    def finish(self, bus: Samples) -> bool:
        return False


def make_spaces(audio: AudioConfig) -> tuple[Space, Space]:
    """One for tones, which give way to speech, and one for speech.

    For one ear (``audio.mono``) there is no side.
    """
    if audio.mono:
        panned = Panned(Panning(0.0))
        return panned, panned
    panned = Panned(Panning(audio.pan_db, audio.itd_us * 1e-6 * audio.rate_hz))
    return panned, panned
