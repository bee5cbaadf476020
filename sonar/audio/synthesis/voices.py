"""The voices of short sounds, one quantum at a time, without allocating arrays.

Every voice adds ``QUANTUM`` samples to a planar float32 bus of shape ``(2, QUANTUM)`` (left,
right). All state is kept in whole samples since the voice's onset, so the sound does not depend
on the sizes of the blocks in which it is asked for.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis.space import Space
from sonar.audio.synthesis.synth import HIGHEST_PITCH_HZ, Ears, Samples, rise
from sonar.audio.synthesis.tables import QUANTUM, Tables
from sonar.audio.synthesis.waves import PulseWave, PulseWaves


class PulseVoice:
    """One struck tone that rings out; its sound is settled when it starts."""

    def __init__(
        self, rate_hz: int, tables: Tables, fade: Samples, waves: PulseWaves, space: Space
    ) -> None:
        self._rate_hz, self._tables, self._fade, self._waves = rate_hz, tables, fade, waves
        self._wave: PulseWave | None = None
        self._scratch = np.zeros(QUANTUM, np.float32)
        self._age = 0  # samples from the onset to the start of this quantum; < 0: it lies ahead
        self._length = 0
        self._ears, self._spot = Ears(), space.spot()
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
        tables = self._tables
        self._end()
        self._age, self._faded = -offset, -1
        wanted = round(length_s * self._rate_hz)
        self._length = min(max(wanted, 2 * tables.release_samples), tables.longest)
        self._ears = ears
        self._spot.clear()
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
        tables, age = self._tables, self._age
        wave = self._waves.part(self._wave, age)
        releasing = age - (self._length - tables.release_samples)
        if releasing + QUANTUM > 0:
            begin = releasing + tables.longest
            wave = np.multiply(wave, tables.release[begin : begin + QUANTUM], out=self._scratch)
        if self._faded >= 0:
            fading = self._fade[self._faded : self._faded + QUANTUM]
            wave = np.multiply(wave, fading, out=self._scratch)
            self._faded += QUANTUM
        self._spot.add(bus, wave, self._ears)
        self._age = age + QUANTUM
        if self._age >= self._length + abs(self._ears.lag) or self._faded >= self._fade.size:
            self._end()

    def _end(self) -> None:
        if self._wave is not None:
            self._waves.release(self._wave)
            self._wave = None


class ClipVoice:
    """Plays a mono recording: an earcon or a phrase."""

    def __init__(self, fade: Samples, edge_samples: int, space: Space) -> None:
        self._fade, self._edge = fade, rise(max(1, edge_samples))
        self._empty = np.zeros(0, np.float32)
        self._clip: NDArray[np.float32] = self._empty
        self._wave = np.zeros(QUANTUM, np.float32)
        self._position = 0
        self._ears, self._spot = Ears(), space.spot()
        self._faded = -1
        self.active = False

    def start(self, clip: NDArray[np.float32], ears: Ears) -> None:
        """Begin with the coming quantum. ``clip`` is read, never written."""
        self._clip, self._position, self._faded = clip, 0, -1
        self._ears = ears
        self._spot.clear()
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
        self._spot.add(bus, wave, self._ears)
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


def add_active(voices: Sequence[PulseVoice | ClipVoice], bus: Samples) -> bool:
    """One quantum of each voice that sounds into ``bus``; whether there was any."""
    sounded = False
    for voice in voices:
        if voice.active:
            voice.add(bus)
            sounded = True
    return sounded
