"""The steady tone, gated: in its pauses the street is heard. A danger has no pauses."""

from sonar.audio.synthesis.panning import Ears
from sonar.audio.synthesis.primitives import Samples
from sonar.audio.synthesis.voices import ToneVoice
from sonar.types import Cue, Priority

GATE_S = 1.0  # one tone and one pause
WARBLE_DEPTH = 0.12  # a changing pitch says danger; no other sound warbles
WARBLE_HZ = 8.0
_EDGE_S = 0.025  # the fade that follows the end of a tone
_PITCH_STEP, _PAN_STEP = 1.06, 0.3  # a larger change is heard at once


class GatedTone:
    """Sounds for ``duty`` of every second, and at once after a change.

    Args:
        rate_hz: samples a second.
        duty: share of the time; 1 for no pauses.
    """

    def __init__(self, rate_hz: int, duty: float) -> None:
        self._voice = ToneVoice(rate_hz)
        self._period = round(GATE_S * rate_hz)
        self._open = round((duty * GATE_S - _EDGE_S) * rate_hz) if duty < 1.0 else self._period
        self._cue: Cue | None = None
        self._ears = Ears()
        self._since = 0  # sample at which the tone began

    def set(self, cue: Cue, ears: Ears, position: int) -> None:
        """Sound like ``cue`` from the quantum at ``position`` on."""
        if self._cue is None or _is_changed(self._cue, cue):
            self._since = position
        self._cue, self._ears = cue, ears
        if self._sounds(position):
            self._sound(cue)

    def release(self) -> None:
        """Fade out."""
        self._cue = None
        self._voice.release()

    def add(self, bus: Samples, position: int) -> bool:
        """One quantum into ``bus``; whether there was anything to add."""
        cue = self._cue
        if cue is not None and cue.priority is not Priority.DANGER:
            if position - self._since >= self._period:
                self._since += self._period
                self._sound(cue)
            if not self._sounds(position):
                self._voice.release()
        if not self._voice.active:
            return False
        self._voice.add(bus)
        return True

    def _sounds(self, position: int) -> bool:
        cue = self._cue
        danger = cue is not None and cue.priority is Priority.DANGER
        return danger or position - self._since < self._open

    def _sound(self, cue: Cue) -> None:
        depth = WARBLE_DEPTH if cue.priority is Priority.DANGER else 0.0
        self._voice.set(cue.pitch_hz, self._ears, depth, WARBLE_HZ)


def _is_changed(before: Cue, after: Cue) -> bool:
    low, high = sorted((before.pitch_hz, after.pitch_hz))
    return (
        high > _PITCH_STEP * low
        or abs(before.pan - after.pan) >= _PAN_STEP
        or before.priority is not after.priority
    )
