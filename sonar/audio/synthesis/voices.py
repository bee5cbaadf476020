"""The voices: a recording played once, and a steady tone.

Every voice adds ``QUANTUM`` samples to a planar float32 bus of shape ``(2, QUANTUM)`` (left,
right). All state is kept in whole samples since the voice's onset, so the sound does not depend
on the sizes of the blocks in which it is asked for.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sonar.audio.synthesis import waves
from sonar.audio.synthesis.panning import Ears
from sonar.audio.synthesis.waves import INDEX, QUANTUM, Samples, Wave, approach, ease, ramp

WARBLE_HZ = 8.0
# The most that a steady tone changes within a quantum: a full change of loudness takes 25 ms, and
# so does going over from ear to ear.
_PITCH_STEP, _WARBLE_STEP, _GAIN_STEP, _LAG_STEP_SAMPLES = 0.2, 0.05, 0.2, 6.0


def recorded(clip: Samples, begin: int) -> Wave:
    """A quantum of a recording from the sample ``begin`` on; silence outside."""
    wave = np.zeros(QUANTUM)
    part = clip[max(begin, 0) : max(begin + QUANTUM, 0)]
    offset = max(-begin, 0)
    wave[offset : offset + part.size] = part
    return wave


class OnceVoice:
    """Plays one sound to its end: a pulse, an earcon or a phrase.

    Args:
        read: a quantum of the sound from any of its samples on.
        ears: how it reaches them. A lag between two samples is interpolated linearly, which costs
            less than 0.1 dB at 2 kHz (Laakso et al., Splitting the unit delay, 1996).
        length: of the sound, in samples; so are the ramps ``attack`` and ``release`` at its ends.
        offset: samples of the coming quantum before it begins.
    """

    def __init__(
        self,
        read: Callable[[int], Wave],
        ears: Ears,
        length: int,
        *,
        attack: int = 1,
        release: int = 1,
        offset: int = 0,
    ) -> None:
        self._read, self._ears, self._end, self._position = read, ears, length, -offset
        self._attack, self._release = attack, release
        self._cut_end = self._cut_length = 0

    @property
    def fading(self) -> bool:
        """On its way out, because it was cut off."""
        return self._cut_length > 0

    def cut(self, samples: int) -> None:
        """Fade out now, over so many samples, because something else is to be heard."""
        if not self.fading:
            self._cut_end, self._cut_length = self._position + samples, samples

    def add(self, bus: Samples) -> bool:
        """One quantum into ``bus``; False at the end."""
        ears = self._ears
        first = late = self._wave(self._position)
        if ears.lag:
            whole, share = divmod(abs(ears.lag), 1.0)
            begin = self._position - int(whole)
            late = (1.0 - share) * self._wave(begin) + share * self._wave(begin - 1)
        left, right = (late, first) if ears.lag < 0.0 else (first, late)
        bus[0] += left * ears.left
        bus[1] += right * ears.right
        self._position += QUANTUM
        end = min(self._end, self._cut_end) if self.fading else self._end
        return self._position < end + abs(ears.lag)

    def _wave(self, begin: int) -> Wave:
        """A quantum from the sample ``begin`` on, ramps included."""
        wave, index = self._read(begin), begin + INDEX
        if begin < self._attack:
            wave *= ease((index + 1.0) / self._attack)
        if begin + QUANTUM > self._end - self._release:
            wave *= ease((self._end - index) / self._release)
        if self.fading:
            wave *= ease((self._cut_end - index) / self._cut_length)
        return wave


def add_all(voices: list[OnceVoice], bus: Samples) -> bool:
    """One quantum of each voice into ``bus``, and drop those that ended; whether there was any."""
    sounded = bool(voices)
    voices[:] = [voice for voice in voices if voice.add(bus)]
    return sounded


class _Tone(NamedTuple):
    """What glides: pitch, swing of the pitch as a share of it, gains of the ears, their lag."""

    pitch_hz: float
    warble: float
    left: float
    right: float
    lag: float


class ToneVoice:
    """One steady tone: glides to a new pitch, side and loudness; may warble."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._now = self._target = _Tone(500.0, 0.0, 0.0, 0.0, 0.0)
        self._turn = self._warble_turn = 0.0

    @property
    def _active(self) -> bool:
        return any(tone.left > 0.0 or tone.right > 0.0 for tone in (self._now, self._target))

    def set(self, pitch_hz: float, ears: Ears, warble: float = 0.0) -> None:
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
        before, rate_hz = self._now, self._rate_hz
        steps = (_PITCH_STEP * before.pitch_hz, _WARBLE_STEP, _GAIN_STEP, _GAIN_STEP)
        after = _Tone(*map(approach, before, self._target, (*steps, _LAG_STEP_SAMPLES)))
        self._now = after
        pitch_hz, warble, left, right, lag = map(ramp, before, after)
        if before.warble or after.warble:
            swing = self._warble_turn + INDEX * (WARBLE_HZ / rate_hz)
            self._warble_turn = (self._warble_turn + QUANTUM * WARBLE_HZ / rate_hz) % 1.0
            pitch_hz = pitch_hz * (1.0 + warble * np.sin(2.0 * np.pi * swing))
        step = np.broadcast_to(pitch_hz, QUANTUM) / rate_hz  # in turns a sample
        turns = self._turn + np.cumsum(step)
        self._turn = float(turns[-1]) % 1.0
        weights = waves.timbre(before.pitch_hz), waves.timbre(after.pitch_hz)
        heard = [_glide(turns, *weights)] * 2
        if before.lag or after.lag:  # the phase of the ear that hears it later is behind
            lags = (np.maximum(-lag, 0.0), np.maximum(lag, 0.0))
            heard = [_glide(turns - late * step, *weights) for late in lags]
        bus[0] += heard[0] * left
        bus[1] += heard[1] * right
        return True


def _glide(turns: Wave, before: Samples, after: Samples) -> Wave:
    """A quantum at these phases whose timbre goes over from one to the other."""
    if before is after:
        return np.asarray(waves.harmonics(turns, before)[0], np.float64)
    first, second = waves.harmonics(turns, before, after)
    return np.asarray(first + (second - first) * waves.RAMP)
