"""The steady tone: ``stop``, and the whole of the continuous scheme."""

import numpy as np

from sonar.audio.synthesis.space import Space
from sonar.audio.synthesis.synth import HARMONICS, HIGHEST_PITCH_HZ, Ears, Samples, timbre
from sonar.audio.synthesis.tables import INDEX, QUANTUM, RAMP, approach
from sonar.audio.synthesis.waves import Partials


class ToneVoice:
    """One steady tone: glides to a new pitch, side and loudness; may warble."""

    def __init__(self, rate_hz: int, space: Space) -> None:
        self._rate_hz = rate_hz
        self._ramp64 = RAMP.astype(np.float64)
        self._pitch = np.zeros(QUANTUM)
        self._turns = np.zeros(QUANTUM)
        self._angle = np.zeros(QUANTUM)
        self._warble = np.zeros(QUANTUM)
        self._wave = np.zeros(QUANTUM, np.float32)
        self._partials = Partials()
        self._weights: tuple[float, ...] = (0.0,) * HARMONICS
        self._last_turn = self._warble_turn = 0.0
        self._pitch_hz = self._target_hz = 500.0
        self._depth = self._target_depth = 0.0
        self._warble_hz = 8.0
        self._glide = space.glide()

    @property
    def active(self) -> bool:
        """Sounding, or about to."""
        return self._glide.active

    def set(self, pitch_hz: float, ears: Ears, warble_depth: float, warble_hz: float) -> None:
        """From the coming quantum on, head for this sound.

        ``warble_depth`` is the swing of the pitch as a share of it, ``warble_hz`` its rate.
        """
        pitch_hz = min(pitch_hz, HIGHEST_PITCH_HZ)
        if not self.active:  # begin where it will be, in a known phase
            self._last_turn = self._warble_turn = 0.0
            self._pitch_hz, self._depth = pitch_hz, warble_depth
            self._weights = timbre(pitch_hz)
            self._glide.begin(ears)
        self._target_hz, self._target_depth = pitch_hz, warble_depth
        self._warble_hz = warble_hz
        self._glide.head_for(ears)

    def release(self) -> None:
        """Fade out."""
        self._glide.release()

    def add(self, bus: Samples) -> None:
        """One quantum into ``bus``."""
        turns, pitch, wave = self._turns, self._pitch, self._wave
        next_hz = approach(self._pitch_hz, self._target_hz, 0.2 * self._pitch_hz)
        next_depth = approach(self._depth, self._target_depth, 0.05)
        np.multiply(self._ramp64, next_hz - self._pitch_hz, out=pitch)
        np.add(pitch, self._pitch_hz, out=pitch)
        if max(self._depth, next_depth) > 0.0:
            self._add_warble(next_depth)
        np.multiply(pitch, 1.0 / self._rate_hz, out=turns)
        np.cumsum(turns, out=turns)
        np.add(turns, self._last_turn, out=turns)
        self._last_turn = float(turns[-1]) % 1.0
        self._partials.take(turns)
        if next_hz != self._pitch_hz:
            new_weights = timbre(next_hz)
            self._partials.glide(self._weights, new_weights, wave)
            self._weights = new_weights
        else:
            self._partials.mix(self._weights, wave)
        self._pitch_hz, self._depth = next_hz, next_depth
        self._glide.add(bus, wave)

    def _add_warble(self, next_depth: float) -> None:
        warble, angle = self._warble, self._angle
        step = self._warble_hz / self._rate_hz
        np.multiply(INDEX, step, out=angle)
        np.add(angle, self._warble_turn, out=angle)
        self._warble_turn = (self._warble_turn + QUANTUM * step) % 1.0
        np.multiply(angle, 2.0 * np.pi, out=angle)
        np.sin(angle, out=angle)
        np.multiply(self._ramp64, next_depth - self._depth, out=warble)
        np.add(warble, self._depth, out=warble)
        np.multiply(warble, angle, out=warble)
        np.multiply(warble, self._pitch, out=warble)
        np.add(self._pitch, warble, out=self._pitch)
