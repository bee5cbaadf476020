"""The parts of the mixer that make sound, one quantum at a time, without allocating arrays.

Every voice adds ``QUANTUM`` samples to a planar float32 bus of shape ``(2, QUANTUM)`` (left,
right). All state is kept in whole samples since the voice's onset, so the sound does not depend
on the sizes of the blocks in which it is asked for.
"""

import math

import numpy as np
from numpy.typing import NDArray

from sonar.audio.lag import Lag
from sonar.audio.synth import HARMONICS, HIGHEST_PITCH_HZ, Ears, Samples, rise, timbre

QUANTUM = 240  # samples: 5 ms at 48 kHz, the grid on which changes take effect

TWO_PI = 2.0 * math.pi
_LONGEST_PULSE_S = 0.25
_DECAY_S = 0.07
_ATTACK_S = 0.004
_RELEASE_S = 0.025
INDEX = np.arange(QUANTUM, dtype=np.float64)
RAMP = (np.arange(1, QUANTUM + 1) / QUANTUM).astype(np.float32)


class Tables:
    """Envelopes, made once per sample rate and shared.

    Each table is padded so that a slice of QUANTUM samples at any index in use is valid.
    """

    def __init__(self, rate_hz: int) -> None:
        longest = round(_LONGEST_PULSE_S * rate_hz)
        attack = rise(round(_ATTACK_S * rate_hz))
        body = np.exp(-np.arange(longest) / (_DECAY_S * rate_hz)).astype(np.float32)
        body[: attack.size] *= attack
        # `after` is silence for the ear that hears the end later
        before, after = np.zeros(QUANTUM, np.float32), np.zeros(2 * QUANTUM, np.float32)
        self.pulse = np.concatenate([before, body, after])
        self.release_samples = round(_RELEASE_S * rate_hz)
        self.longest = longest
        falling = rise(self.release_samples)[::-1]
        # index 0 is `longest` samples before the release begins
        self.release = np.concatenate([np.ones(longest, np.float32), falling, after])

    def fade(self, quanta: int) -> Samples:
        """Raised cosine from 1 to 0 over whole quanta, and a quantum of silence."""
        falling = rise(quanta * QUANTUM)[::-1]
        return np.concatenate([falling, np.zeros(QUANTUM, np.float32)])


class PulseVoice:
    """One struck tone that rings out; its sound is settled when it starts."""

    def __init__(self, rate_hz: int, tables: Tables, fade: Samples) -> None:
        self._rate_hz, self._tables, self._fade = rate_hz, tables, fade
        self._phase = np.zeros(QUANTUM)
        self._angle = np.zeros(QUANTUM)
        self._partial = np.zeros(QUANTUM, np.float32)
        self._wave = np.zeros(QUANTUM, np.float32)
        self._weights: tuple[float, ...] = (0.0,) * HARMONICS
        self._pitch_hz = 0.0
        self._age = 0  # samples from the onset to the start of this quantum; < 0: it lies ahead
        self._length = 0
        self._ears, self._lag, self._bend = Ears(), Lag(QUANTUM), 0.0
        self._faded = -1  # samples since the fade-out began; -1: none
        self.active = False

    def start(
        self,
        offset: int,
        pitch_hz: float,
        length_s: float,
        ears: Ears,
        glide: float = 0.0,
    ) -> None:
        """Strike ``offset`` samples into the coming quantum.

        The pitch moves by the share ``glide`` of itself until the pulse ends.
        """
        tables = self._tables
        pitch_hz = min(pitch_hz, HIGHEST_PITCH_HZ)
        if pitch_hz != self._pitch_hz:
            self._pitch_hz, self._weights = pitch_hz, timbre(pitch_hz)
        self._age, self._faded = -offset, -1
        wanted = round(length_s * self._rate_hz)
        self._length = min(max(wanted, 2 * tables.release_samples), tables.longest)
        self._ears = ears
        self._lag.clear()
        self._bend = 0.5 * glide / self._length
        self.active = True

    def cut(self) -> None:
        """Fade out now, because something else is to be heard."""
        if self.active and self._faded < 0:
            self._faded = 0
            if self._age < 0:  # not begun
                self.active = False

    def add(self, bus: Samples) -> None:
        """One quantum into ``bus``."""
        tables, age, wave, partial = self._tables, self._age, self._wave, self._partial
        step = TWO_PI * self._pitch_hz / self._rate_hz
        np.add(INDEX, float(age), out=self._phase)
        if self._bend != 0.0:
            np.multiply(self._phase, self._bend, out=self._angle)
            np.multiply(self._angle, self._phase, out=self._angle)
            np.add(self._phase, self._angle, out=self._phase)
        np.multiply(self._phase, step, out=self._phase)
        harmonics(self._phase, self._angle, self._weights, wave, partial)
        np.multiply(wave, tables.pulse[age + QUANTUM : age + 2 * QUANTUM], out=wave)
        begin = age - (self._length - tables.release_samples) + tables.longest
        np.multiply(wave, tables.release[begin : begin + QUANTUM], out=wave)
        if self._faded >= 0:
            np.multiply(wave, self._fade[self._faded : self._faded + QUANTUM], out=wave)
            self._faded += QUANTUM
        self._lag.add(bus, wave, self._ears)
        self._age = age + QUANTUM
        if self._age >= self._length + abs(self._ears.lag) or self._faded >= self._fade.size:
            self.active = False


class ClipVoice:
    """Plays a mono recording: an earcon or a phrase."""

    def __init__(self, tables: Tables, fade: Samples, edge_samples: int) -> None:
        self._fade, self._edge = fade, rise(max(1, edge_samples))
        self._empty = np.zeros(0, np.float32)
        self._clip: NDArray[np.float32] = self._empty
        self._wave = np.zeros(QUANTUM, np.float32)
        self._position = 0
        self._ears, self._lag = Ears(), Lag(QUANTUM)
        self._faded = -1
        self.active = False

    def start(self, clip: NDArray[np.float32], ears: Ears) -> None:
        """Begin with the coming quantum. ``clip`` is read, never written."""
        self._clip, self._position, self._faded = clip, 0, -1
        self._ears = ears
        self._lag.clear()
        self.active = clip.size > 0

    @property
    def fading(self) -> bool:
        """Playing, but on its way out."""
        return self.active and self._faded >= 0

    def cut(self) -> None:
        """Fade out now."""
        if self.active and self._faded < 0:
            self._faded = 0

    def add(self, bus: Samples) -> None:
        """One quantum into ``bus``."""
        clip, begin, wave = self._clip, self._position, self._wave
        end = min(begin + QUANTUM, clip.size)
        count = max(0, end - begin)  # 0: over, but for the ear that hears it later
        wave[:count] = clip[begin:end]
        wave[count:] = 0.0
        if count:
            self._soften(begin, end, count)
        if self._faded >= 0:
            np.multiply(wave, self._fade[self._faded : self._faded + QUANTUM], out=wave)
            self._faded += QUANTUM
        self._lag.add(bus, wave, self._ears)
        self._position = begin + QUANTUM
        if self._position >= clip.size + abs(self._ears.lag) or self._faded >= self._fade.size:
            self.active = False
            self._clip = self._empty

    def _soften(self, begin: int, end: int, count: int) -> None:
        """Ramp both ends of the clip, so that one cut off mid-wave does not click."""
        edge, wave, size = self._edge, self._wave, self._clip.size
        if begin < edge.size:
            stop = min(end, edge.size)
            wave[: stop - begin] *= edge[begin:stop]
        tail = size - edge.size
        if end > tail:
            start = max(begin, tail)
            # sample i of the clip is scaled by edge[size - 1 - i]
            wave[start - begin : count] *= edge[::-1][start - tail : end - tail]


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


def harmonics(
    phase: NDArray[np.float64],
    angle: NDArray[np.float64],
    weights: tuple[float, ...],
    wave: Samples,
    partial: Samples,
) -> None:
    """``wave`` = sum of ``weights[k] * sin((k + 1) * phase)``."""
    wave[:] = 0.0
    for harmonic, weight in enumerate(weights, start=1):
        np.multiply(phase, harmonic, out=angle)
        np.sin(angle, out=angle)
        np.multiply(angle, weight, out=angle)
        np.copyto(partial, angle, casting="same_kind")
        np.add(wave, partial, out=wave)
