"""The steady tone: ``stop``, and the whole of the continuous scheme."""

import math

import numpy as np
from numpy.typing import NDArray

from sonar.audio.lag import Lag
from sonar.audio.synth import HARMONICS, HIGHEST_PITCH_HZ, Ears, Samples, timbre
from sonar.audio.voices import INDEX, QUANTUM, RAMP, TWO_PI, add_ramped, approach, harmonics

LAG_STEP = 6.0  # samples a quantum: from ear to ear in the time of a full change of loudness


class ToneVoice:
    """One steady tone: glides to a new pitch, side and loudness; may warble."""

    GLIDE_QUANTA = 5  # a full change of loudness takes 25 ms

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._ramp64 = RAMP.astype(np.float64)
        self._pitch = np.zeros(QUANTUM)
        self._phase = np.zeros(QUANTUM)
        self._angle = np.zeros(QUANTUM)
        self._warble = np.zeros(QUANTUM)
        self._wave = np.zeros(QUANTUM, np.float32)
        self._partial = np.zeros(QUANTUM, np.float32)
        self._gain = np.zeros(QUANTUM, np.float32)
        self._weights: tuple[float, ...] = (0.0,) * HARMONICS
        self._new_weights: tuple[float, ...] = (0.0,) * HARMONICS
        self._last_phase = self._warble_phase = 0.0
        self._pitch_hz = self._target_hz = 500.0
        self._depth = self._target_depth = 0.0
        self._warble_hz = 8.0
        self._left = self._right = self._target_left = self._target_right = 0.0
        self._lag, self._late, self._target_late = Lag(QUANTUM), 0.0, 0.0

    @property
    def active(self) -> bool:
        """Sounding, or about to."""
        return max(self._left, self._right, self._target_left, self._target_right) > 0.0

    def set(self, pitch_hz: float, ears: Ears, warble_depth: float, warble_hz: float) -> None:
        """From the coming quantum on, head for this sound.

        ``warble_depth`` is the swing of the pitch as a share of it, ``warble_hz`` its rate.
        """
        pitch_hz = min(pitch_hz, HIGHEST_PITCH_HZ)
        if not self.active:  # begin where it will be, in a known phase
            self._last_phase = self._warble_phase = 0.0
            self._pitch_hz, self._depth = pitch_hz, warble_depth
            self._weights = self._new_weights = timbre(pitch_hz)
            self._late = ears.lag
            self._lag.clear()
        self._target_hz, self._target_depth = pitch_hz, warble_depth
        self._warble_hz = warble_hz
        self._target_left, self._target_right = ears.left, ears.right
        self._target_late = ears.lag

    def release(self) -> None:
        """Fade out."""
        self._target_left = self._target_right = 0.0

    def add(self, bus: Samples) -> None:
        """One quantum into ``bus``."""
        phase, pitch, wave = self._phase, self._pitch, self._wave
        next_hz = approach(self._pitch_hz, self._target_hz, 0.2 * self._pitch_hz)
        next_depth = approach(self._depth, self._target_depth, 0.05)
        np.multiply(self._ramp64, next_hz - self._pitch_hz, out=pitch)
        np.add(pitch, self._pitch_hz, out=pitch)
        if max(self._depth, next_depth) > 0.0:
            self._add_warble(next_depth)
        np.multiply(pitch, TWO_PI / self._rate_hz, out=phase)
        np.cumsum(phase, out=phase)
        np.add(phase, self._last_phase, out=phase)
        self._last_phase = math.fmod(float(phase[-1]), TWO_PI)
        if next_hz != self._pitch_hz:
            self._new_weights = timbre(next_hz)
            _gliding(
                phase,
                self._angle,
                self._weights,
                self._new_weights,
                wave,
                self._partial,
                self._gain,
            )
            self._weights = self._new_weights
        else:
            harmonics(phase, self._angle, self._weights, wave, self._partial)
        self._pitch_hz, self._depth = next_hz, next_depth
        step = 1.0 / self.GLIDE_QUANTA
        left = approach(self._left, self._target_left, step)
        right = approach(self._right, self._target_right, step)
        late = approach(self._late, self._target_late, LAG_STEP)
        self._lag.take(wave)
        for ear, sign, gain, next_gain in (
            (bus[0], -1.0, self._left, left),
            (bus[1], 1.0, self._right, right),
        ):
            before, after = max(0.0, sign * self._late), max(0.0, sign * late)
            heard = wave if before == after == 0.0 else self._lag.gliding(before, after)
            add_ramped(ear, heard, self._gain, gain, next_gain)
        self._left, self._right, self._late = left, right, late

    def _add_warble(self, next_depth: float) -> None:
        warble, angle = self._warble, self._angle
        step = TWO_PI * self._warble_hz / self._rate_hz
        np.multiply(INDEX, step, out=angle)
        np.add(angle, self._warble_phase, out=angle)
        self._warble_phase = math.fmod(self._warble_phase + QUANTUM * step, TWO_PI)
        np.sin(angle, out=angle)
        np.multiply(self._ramp64, next_depth - self._depth, out=warble)
        np.add(warble, self._depth, out=warble)
        np.multiply(warble, angle, out=warble)
        np.multiply(warble, self._pitch, out=warble)
        np.add(self._pitch, warble, out=self._pitch)


def _gliding(
    phase: NDArray[np.float64],
    angle: NDArray[np.float64],
    weights: tuple[float, ...],
    new_weights: tuple[float, ...],
    wave: Samples,
    partial: Samples,
    scratch: Samples,
) -> None:
    """As :func:`harmonics`, each weight moving evenly to its new value."""
    wave[:] = 0.0
    for harmonic, (weight, new_weight) in enumerate(
        zip(weights, new_weights, strict=True), start=1
    ):
        np.multiply(phase, harmonic, out=angle)
        np.sin(angle, out=angle)
        np.copyto(partial, angle, casting="same_kind")
        add_ramped(wave, partial, scratch, weight, new_weight)
