"""The grid on which changes take effect: ramps, envelopes and gains over one quantum."""

import numpy as np

from sonar.audio.synthesis.primitives import Samples, rise

QUANTUM = 240  # samples: 5 ms at 48 kHz, the grid on which changes take effect

INDEX = np.arange(QUANTUM, dtype=np.float64)
RAMP = (np.arange(1, QUANTUM + 1) / QUANTUM).astype(np.float32)

_LONGEST_PULSE_S = 0.25
_DECAY_S = 0.07
_ATTACK_S = 0.004
_RELEASE_S = 0.025


class Envelopes:
    """Envelopes, made once per sample rate and shared by the voices.

    Each array is padded so that a slice of QUANTUM samples at any index in use is valid.
    """

    def __init__(self, rate_hz: int) -> None:
        longest = round(_LONGEST_PULSE_S * rate_hz)
        attack = rise(round(_ATTACK_S * rate_hz))
        body = np.exp(-np.arange(longest) / (_DECAY_S * rate_hz)).astype(np.float32)
        body[: attack.size] *= attack
        # `after` is silence for the ear that hears the end later
        after = np.zeros(2 * QUANTUM, np.float32)
        self.pulse = np.concatenate([body, after])
        self.release_samples = round(_RELEASE_S * rate_hz)
        self.longest = longest
        falling = rise(self.release_samples)[::-1]
        # index 0 is `longest` samples before the release begins
        self.release = np.concatenate([np.ones(longest, np.float32), falling, after])

    def fade(self, quanta: int) -> Samples:
        """Raised cosine from 1 to 0 over whole quanta, and a quantum of silence."""
        falling = rise(quanta * QUANTUM)[::-1]
        return np.concatenate([falling, np.zeros(QUANTUM, np.float32)])


def approach(value: float, target: float, step: float) -> float:
    """``value`` moved towards ``target`` by at most ``step``."""
    if target > value:
        return min(target, value + step)
    return max(target, value - step)


def add_ramped(
    bus: Samples, wave: Samples, scratch: Samples, from_gain: float, to_gain: float
) -> None:
    """``bus += wave * gain`` with the gain moving evenly over the quantum."""
    if from_gain == to_gain:
        if to_gain == 0.0:
            return
        np.multiply(wave, to_gain, out=scratch)
    else:
        np.multiply(RAMP, to_gain - from_gain, out=scratch)
        np.add(scratch, from_gain, out=scratch)
        np.multiply(scratch, wave, out=scratch)
    np.add(bus, scratch, out=bus)


class RampedGain:
    """Scales a stereo bus; a new gain is reached evenly, over whole quanta.

    Attributes:
        value: what the coming quantum begins with.
    """

    def __init__(self, value: float) -> None:
        self.value = self._target = value
        self._step = 0.0
        self._scratch = np.zeros(QUANTUM, np.float32)

    def aim(self, target: float, quanta: int) -> None:
        """Head for ``target``; aiming at the same again changes nothing."""
        if target != self._target:
            self._target, self._step = target, abs(target - self.value) / quanta

    def apply(self, bus: Samples, silent: bool = False) -> None:
        """Scale one quantum, float32 ``(2, QUANTUM)``, in place.

        ``silent`` saves the work where the bus is all zeros.
        """
        before = self.value
        if before == self._target:
            if before != 1.0 and not silent:
                np.multiply(bus, before, out=bus)
            return
        self.value = approach(before, self._target, self._step)
        if not silent:
            np.multiply(RAMP, self.value - before, out=self._scratch)
            np.add(self._scratch, before, out=self._scratch)
            for ear in bus:
                np.multiply(ear, self._scratch, out=ear)
