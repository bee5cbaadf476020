"""Panning: how loud and how late each ear hears a sound."""

import math
from dataclasses import dataclass

import numpy as np

from sonar.audio.synthesis.primitives import Samples
from sonar.audio.synthesis.quantum import QUANTUM, RAMP, add_ramped, approach
from sonar.config import AudioConfig

TAIL = 64  # samples: more than 1 ms at 48 kHz, and one for the fraction
GLIDE_QUANTA = 5  # a full change of loudness takes 25 ms
LAG_STEP = 6.0  # samples a quantum: from ear to ear in the time of a full change of loudness


def pan_gain(pan: float, pan_db: float) -> float:
    """Gain of the LEFT ear; the right ear's is ``pan_gain(-pan, pan_db)``, exactly.

    The squares of both sum to 1 (constant power), and at ``pan`` = -1 the left ear gets
    ``pan_db`` more than the right: a level difference, exaggerated, is what bone conduction
    needs; a time difference hardly helps there.
    """
    return 1.0 / math.sqrt(1.0 + 10.0 ** (pan * pan_db / 10.0))


@dataclass(frozen=True, slots=True)
class Ears:
    """How a sound reaches both ears.

    Attributes:
        left, right: gains.
        lag: samples by which the right ear hears it later; negative: the left ear does.
    """

    left: float = 0.0
    right: float = 0.0
    lag: float = 0.0

    def scaled(self, gain: float) -> "Ears":
        """From the same direction, louder or softer."""
        return Ears(gain * self.left, gain * self.right, self.lag)


@dataclass(frozen=True, slots=True)
class Panning:
    """From pan to ears.

    Attributes:
        pan_db: level difference fully to one side, see :func:`pan_gain`.
        itd_samples: how much later the far ear hears what is fully to one side.
    """

    pan_db: float
    itd_samples: float = 0.0

    @classmethod
    def configured(cls, audio: AudioConfig) -> "Panning":
        """For one ear (``audio.mono``) there is no side."""
        return cls(0.0) if audio.mono else cls(audio.pan_db, audio.itd_us * 1e-6 * audio.rate_hz)

    def ears(self, pan: float) -> Ears:
        """``pan`` from -1 (left) to 1; the opposite pan gives the ears exchanged, exactly."""
        lag = -pan * self.itd_samples if self.itd_samples else 0.0
        return Ears(pan_gain(pan, self.pan_db), pan_gain(-pan, self.pan_db), lag)


class EarDelay:
    """Adds a voice's wave to both ears of a bus, one of them late.

    The delay falls between two samples by linear interpolation, which costs less than 0.1 dB at
    2 kHz (Laakso et al., Splitting the unit delay, 1996). Without a lag the samples are those of
    a plain gain, bit by bit.
    """

    def __init__(self) -> None:
        self._line = np.zeros(TAIL + QUANTUM, np.float32)  # what was heard before, and the wave
        self._late = np.zeros(QUANTUM, np.float32)
        self._other = np.zeros(QUANTUM, np.float32)
        self._scratch = np.zeros(QUANTUM, np.float32)
        self._both = np.zeros((2, QUANTUM), np.float32)

    def clear(self) -> None:
        """A new sound begins: nothing was heard before it."""
        self._line[:] = 0.0

    def take(self, wave: Samples) -> None:
        """The coming quantum's wave; call once a quantum, before :meth:`late`."""
        line = self._line
        line[:TAIL] = line[QUANTUM:]
        line[TAIL:] = wave

    def late(self, lag: float) -> Samples:
        """The wave as it was ``lag`` samples ago, 0 to TAIL - 1; valid until the next call."""
        self._read(lag, self._late)
        return self._late

    def gliding(self, from_lag: float, to_lag: float) -> Samples:
        """As :meth:`late`, going over from one lag to the other within the quantum."""
        self._read(to_lag, self._late)
        if from_lag != to_lag:
            self._read(from_lag, self._other)
            np.subtract(self._late, self._other, out=self._late)
            np.multiply(self._late, RAMP, out=self._late)
            np.add(self._late, self._other, out=self._late)
        return self._late

    def add(self, bus: Samples, wave: Samples, ears: Ears) -> None:
        """``wave`` into the planar stereo ``bus``, as ``ears`` say."""
        left = right = wave
        if ears.lag != 0.0:
            self.take(wave)
            late = self.late(abs(ears.lag))
            left, right = (wave, late) if ears.lag > 0.0 else (late, wave)
        both = self._both
        np.multiply(left, ears.left, out=both[0])
        np.multiply(right, ears.right, out=both[1])
        np.add(bus, both, out=bus)

    def _read(self, lag: float, out: Samples) -> None:
        whole = int(lag)
        share = lag - whole
        begin = TAIL - whole
        np.multiply(self._line[begin : begin + QUANTUM], 1.0 - share, out=out)
        if share > 0.0:
            before = self._line[begin - 1 : begin - 1 + QUANTUM]
            np.multiply(before, share, out=self._scratch)
            np.add(out, self._scratch, out=out)


class GlidingEars:
    """A steady tone that moves from ear to ear: gains and the delay go over evenly."""

    def __init__(self) -> None:
        self._delay = EarDelay()
        self._scratch = np.zeros(QUANTUM, np.float32)
        self._left = self._right = self._late = 0.0
        self._target = Ears()

    @property
    def active(self) -> bool:
        """Audible, or about to be."""
        target = self._target
        return self._left > 0.0 or self._right > 0.0 or target.left > 0.0 or target.right > 0.0

    def begin(self, ears: Ears) -> None:
        """Silent so far: the delay is there at once."""
        self._late = ears.lag
        self._delay.clear()

    def head_for(self, ears: Ears) -> None:
        """From the coming quantum on, move there."""
        self._target = ears

    def release(self) -> None:
        """Fade out."""
        self._target = Ears(0.0, 0.0, self._target.lag)

    def add(self, bus: Samples, wave: Samples) -> None:
        """One quantum into ``bus``."""
        target, step = self._target, 1.0 / GLIDE_QUANTA
        left = approach(self._left, target.left, step)
        right = approach(self._right, target.right, step)
        late = approach(self._late, target.lag, LAG_STEP)
        self._delay.take(wave)
        for ear, sign, gain, next_gain in (
            (bus[0], -1.0, self._left, left),
            (bus[1], 1.0, self._right, right),
        ):
            before, after = max(0.0, sign * self._late), max(0.0, sign * late)
            heard = wave if before == after == 0.0 else self._delay.gliding(before, after)
            add_ramped(ear, heard, self._scratch, gain, next_gain)
        self._left, self._right, self._late = left, right, late
