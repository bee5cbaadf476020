"""The voices: a recording played once, and a steady tone.

Every voice adds ``QUANTUM`` samples to a planar float32 bus of shape ``(2, QUANTUM)`` (left,
right). All state is kept in whole samples since the voice's onset, so the sound does not depend
on the sizes of the blocks in which it is asked for.
"""

from typing import NamedTuple

import numpy as np

from sonar.audio.synthesis import waves
from sonar.audio.synthesis.waves import INDEX, QUANTUM, Samples, approach, ramp, rise

WARBLE_HZ = 8.0
# The most that a steady tone changes within a quantum: a full change of loudness takes 25 ms.
_PITCH_STEP, _WARBLE_STEP, _GAIN_STEP = 0.2, 0.05, 0.2


class OnceVoice:
    """Plays one recording to its end: a pulse, an earcon or a phrase.

    Args:
        clip: mono float32; it is read, never written.
        ears: gains of the left and the right ear.
        attack, release: samples of the ramps at its ends.
        offset: samples of the coming quantum before it begins.
    """

    def __init__(
        self,
        clip: Samples,
        ears: tuple[float, float],
        *,
        attack: int = 1,
        release: int = 1,
        offset: int = 0,
    ) -> None:
        self._clip, self._end, self._position = clip, clip.size, -offset
        self._ears = np.array(ears, np.float32)[:, None]
        self._ramps = [(0, rise(attack)), (clip.size - release, rise(release)[::-1])]
        self.fading = False  # on its way out, because it was cut off

    def cut(self, samples: int) -> None:
        """Fade out now, over so many samples, because something else is to be heard."""
        if not self.fading:
            self.fading = True
            self._end = min(self._end, self._position + samples)
            self._ramps.append((self._position, rise(samples)[::-1]))

    def add(self, bus: Samples) -> bool:
        """One quantum into ``bus``; False at the end."""
        at = self._position
        begin, end = max(at, 0), min(at + QUANTUM, self._end)
        wave = self._clip[begin:end]
        for start, shape in self._ramps:
            if start < end and start + shape.size > begin:
                first, last = max(begin, start), min(end, start + shape.size)
                wave = wave.copy()
                wave[first - begin : last - begin] *= shape[first - start : last - start]
        if wave.size:
            bus[:, begin - at : end - at] += self._ears * wave
        self._position = at + QUANTUM
        return self._position < self._end


def add_all(voices: list[OnceVoice], bus: Samples) -> bool:
    """One quantum of each voice into ``bus``, and drop those that ended; whether there was any."""
    if not voices:
        return False
    voices[:] = [voice for voice in voices if voice.add(bus)]
    return True


class _Tone(NamedTuple):
    """What glides: pitch, swing of the pitch as a share of it, gains of the ears."""

    pitch_hz: float
    warble: float
    left: float
    right: float


class ToneVoice:
    """One steady tone: glides to a new pitch, side and loudness; may warble."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._now = self._target = _Tone(500.0, 0.0, 0.0, 0.0)
        self._turn = self._warble_turn = 0.0

    @property
    def _active(self) -> bool:
        return bool(self._now.left or self._now.right or self._target.left or self._target.right)

    def set(self, pitch_hz: float, ears: tuple[float, float], warble: float = 0.0) -> None:
        """From the coming quantum on, head for this sound; ``warble`` is the swing of the pitch."""
        target = _Tone(min(pitch_hz, waves.HIGHEST_PITCH_HZ), warble, *ears)
        if not self._active:  # begin where it will be, in a known phase
            self._now = target._replace(left=0.0, right=0.0)
            self._turn = self._warble_turn = 0.0
        self._target = target

    def release(self) -> None:
        self._target = self._target._replace(left=0.0, right=0.0)

    def add(self, bus: Samples) -> bool:
        if not self._active:
            return False
        before = self._now
        steps = (_PITCH_STEP * before.pitch_hz, _WARBLE_STEP, _GAIN_STEP, _GAIN_STEP)
        after = self._now = _Tone(*map(approach, before, self._target, steps))
        pitch_hz, warble, left, right = map(ramp, before, after)
        if before.warble or after.warble:
            swing = self._warble_turn + INDEX * (WARBLE_HZ / self._rate_hz)
            self._warble_turn = float(swing[-1] + WARBLE_HZ / self._rate_hz) % 1.0
            pitch_hz = pitch_hz * (1.0 + warble * np.sin(2.0 * np.pi * swing))
        turns = self._turn + np.cumsum(np.broadcast_to(pitch_hz, QUANTUM)) / self._rate_hz
        self._turn = float(turns[-1]) % 1.0
        wave = waves.harmonics(turns, waves.timbre(before.pitch_hz))
        if after.pitch_hz != before.pitch_hz:
            new = waves.harmonics(turns, waves.timbre(after.pitch_hz))
            wave += (new - wave) * waves.RAMP
        bus[0] += wave * left
        bus[1] += wave * right
        return True
