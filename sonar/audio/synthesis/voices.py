"""The voices: a struck pulse, a recording, a steady tone; without allocating arrays.

Every voice adds ``QUANTUM`` samples to a planar float32 bus of shape ``(2, QUANTUM)`` (left,
right). All state is kept in whole samples since the voice's onset, so the sound does not depend
on the sizes of the blocks in which it is asked for.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis.harmonics import Partials, PulseWave, PulseWaves
from sonar.audio.synthesis.panning import EarDelay, Ears, GlidingEars
from sonar.audio.synthesis.primitives import HARMONICS, HIGHEST_PITCH_HZ, Samples, rise, timbre
from sonar.audio.synthesis.quantum import INDEX, QUANTUM, RAMP, Envelopes, approach


class PulseVoice:
    """One struck tone that rings out; its sound is settled when it starts."""

    def __init__(
        self, rate_hz: int, envelopes: Envelopes, fade: Samples, waves: PulseWaves
    ) -> None:
        self._rate_hz, self._envelopes, self._fade, self._waves = rate_hz, envelopes, fade, waves
        self._wave: PulseWave | None = None
        self._scratch = np.zeros(QUANTUM, np.float32)
        self._age = 0  # samples from the onset to the start of this quantum; < 0: it lies ahead
        self._length = 0
        self._ears, self._delay = Ears(), EarDelay()
        self._faded = -1  # samples since the fade-out began; -1: none

    @property
    def active(self) -> bool:
        """Sounding, or about to."""
        return self._wave is not None

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
        envelopes = self._envelopes
        self._end()
        self._age, self._faded = -offset, -1
        wanted = round(length_s * self._rate_hz)
        self._length = min(max(wanted, 2 * envelopes.release_samples), envelopes.longest)
        self._ears = ears
        self._delay.clear()
        self._wave = self._waves.strike(min(pitch_hz, HIGHEST_PITCH_HZ), 0.5 * glide / self._length)

    def cut(self) -> None:
        """Fade out now, because something else is to be heard."""
        if self._wave is not None and self._faded < 0:
            self._faded = 0
            if self._age < 0:  # not begun
                self._end()

    def add(self, bus: Samples) -> None:
        """One quantum into ``bus``."""
        if self._wave is None:
            return
        envelopes, age = self._envelopes, self._age
        wave = self._waves.part(self._wave, age)
        releasing = age - (self._length - envelopes.release_samples)
        if releasing + QUANTUM > 0:
            begin = releasing + envelopes.longest
            wave = np.multiply(wave, envelopes.release[begin : begin + QUANTUM], out=self._scratch)
        if self._faded >= 0:
            fading = self._fade[self._faded : self._faded + QUANTUM]
            wave = np.multiply(wave, fading, out=self._scratch)
            self._faded += QUANTUM
        self._delay.add(bus, wave, self._ears)
        self._age = age + QUANTUM
        if self._age >= self._length + abs(self._ears.lag) or self._faded >= self._fade.size:
            self._end()

    def _end(self) -> None:
        if self._wave is not None:
            self._waves.release(self._wave)
            self._wave = None


class ClipVoice:
    """Plays a mono recording: an earcon or a phrase."""

    def __init__(self, fade: Samples, edge_samples: int) -> None:
        self._fade, self._edge = fade, rise(max(1, edge_samples))
        self._empty = np.zeros(0, np.float32)
        self._clip: NDArray[np.float32] = self._empty
        self._wave = np.zeros(QUANTUM, np.float32)
        self._position = 0
        self._ears, self._delay = Ears(), EarDelay()
        self._faded = -1
        self.active = False

    def start(self, clip: NDArray[np.float32], ears: Ears) -> None:
        """Begin with the coming quantum. ``clip`` is read, never written."""
        self._clip, self._position, self._faded = clip, 0, -1
        self._ears = ears
        self._delay.clear()
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
        if count < QUANTUM:
            wave[count:] = 0.0
        if count:
            self._soften(begin, end, count)
        if self._faded >= 0:
            np.multiply(wave, self._fade[self._faded : self._faded + QUANTUM], out=wave)
            self._faded += QUANTUM
        self._delay.add(bus, wave, self._ears)
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


class ToneVoice:
    """One steady tone: glides to a new pitch, side and loudness; may warble."""

    def __init__(self, rate_hz: int) -> None:
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
        self._ears = GlidingEars()

    @property
    def active(self) -> bool:
        """Sounding, or about to."""
        return self._ears.active

    def set(self, pitch_hz: float, ears: Ears, warble_depth: float, warble_hz: float) -> None:
        """From the coming quantum on, head for this sound.

        ``warble_depth`` is the swing of the pitch as a share of it, ``warble_hz`` its rate.
        """
        pitch_hz = min(pitch_hz, HIGHEST_PITCH_HZ)
        if not self.active:  # begin where it will be, in a known phase
            self._last_turn = self._warble_turn = 0.0
            self._pitch_hz, self._depth = pitch_hz, warble_depth
            self._weights = timbre(pitch_hz)
            self._ears.begin(ears)
        self._target_hz, self._target_depth = pitch_hz, warble_depth
        self._warble_hz = warble_hz
        self._ears.head_for(ears)

    def release(self) -> None:
        """Fade out."""
        self._ears.release()

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
        self._ears.add(bus, wave)

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


def add_active(voices: Sequence[PulseVoice | ClipVoice], bus: Samples) -> bool:
    """One quantum of each voice that sounds into ``bus``; whether there was any."""
    sounded = False
    for voice in voices:
        if voice.active:
            voice.add(bus)
            sounded = True
    return sounded
