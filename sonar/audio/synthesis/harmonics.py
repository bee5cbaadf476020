"""Sums of harmonics, and pulses kept once they are made, without allocating arrays."""

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis.primitives import HARMONICS, Samples, timbre
from sonar.audio.synthesis.quantum import INDEX, QUANTUM, RAMP, Envelopes

_ORDERS = (2.0 * np.pi * np.arange(1, HARMONICS + 1)).astype(np.float32)[:, None]
# numpy gives up the interpreter's lock for more than 500 elements, and the audio callback would
# have to wait for it to come back: eight harmonics of 60 samples stay below that.
_PART = 60
_PARTS = tuple(slice(begin, begin + _PART) for begin in range(0, QUANTUM, _PART))


class Partials:
    """The eight harmonics of one voice over one quantum.

    The phase is reduced to one turn in float64 before the sines are taken in float32: their
    error stays below 1e-5 of the amplitude however long the voice sounds.
    """

    def __init__(self) -> None:
        self._turn = np.zeros(QUANTUM)
        self._share = np.zeros(QUANTUM, np.float32)
        self._shares = [self._share[part][None, :] for part in _PARTS]
        self._sines = [np.zeros((HARMONICS, _PART), np.float32) for _ in _PARTS]
        self._weights = np.zeros(HARMONICS, np.float32)
        self._other = np.zeros(QUANTUM, np.float32)

    def take(self, turns: NDArray[np.float64]) -> None:
        """The phase of the fundamental, in turns, float64 ``(QUANTUM,)``."""
        np.floor(turns, out=self._turn)
        np.subtract(turns, self._turn, out=self._turn)
        np.copyto(self._share, self._turn, casting="same_kind")
        for share, sines in zip(self._shares, self._sines, strict=True):
            np.matmul(_ORDERS, share, out=sines)  # a broadcast product would allocate
            np.sin(sines, out=sines)

    def mix(self, weights: tuple[float, ...], out: Samples) -> None:
        """``out`` = sum of ``weights[k]`` times the sine of harmonic ``k + 1``."""
        self._weights[:] = weights
        for part, sines in zip(_PARTS, self._sines, strict=True):
            np.matmul(self._weights, sines, out=out[part])

    def glide(
        self, weights: tuple[float, ...], new_weights: tuple[float, ...], out: Samples
    ) -> None:
        """As :meth:`mix`, each weight moving evenly to its new value within the quantum."""
        self.mix(weights, out)
        self.mix(new_weights, self._other)
        np.subtract(self._other, out, out=self._other)
        np.multiply(self._other, RAMP, out=self._other)
        np.add(out, self._other, out=out)


class PulseWave:
    """A struck tone from its onset on, as far as it was needed so far.

    Attributes:
        users: voices that play it now.
        used: when it was last struck, in strikes.
    """

    def __init__(self, longest: int) -> None:
        # a quantum of silence before the onset, and as much after the end as a voice may read
        self.samples = np.zeros(longest + 4 * QUANTUM, np.float32)
        self.pitch_hz = self.bend = 0.0
        self.filled = 0
        self.users = self.used = 0


class PulseWaves:
    """Pulses by pitch. They are all alike but for loudness and length, and few pitches are used.

    Args:
        rate_hz: samples a second.
        envelopes: of the pulse.
        slots: how many are kept; more than sound at once.
    """

    def __init__(self, rate_hz: int, envelopes: Envelopes, slots: int) -> None:
        self._rate_hz, self._envelopes = rate_hz, envelopes
        self._slots = [PulseWave(envelopes.longest) for _ in range(slots)]
        self._strikes = 0
        self._partials = Partials()
        self._phase = np.zeros(QUANTUM)
        self._angle = np.zeros(QUANTUM)

    def strike(self, pitch_hz: float, bend: float) -> PulseWave:
        """The pulse of this pitch, which rises by the share ``2 * bend`` a sample.

        Give it back with :meth:`release`.
        """
        self._strikes += 1
        found = None
        for slot in self._slots:
            if slot.pitch_hz == pitch_hz and slot.bend == bend:
                found = slot
                break
            if slot.users == 0 and (found is None or slot.used < found.used):
                found = slot
        assert found is not None  # there are more slots than voices
        if found.pitch_hz != pitch_hz or found.bend != bend:
            found.pitch_hz, found.bend, found.filled = pitch_hz, bend, 0
        found.users += 1
        found.used = self._strikes
        return found

    def release(self, wave: PulseWave) -> None:
        """A voice has ended."""
        wave.users -= 1

    def part(self, wave: PulseWave, begin: int) -> Samples:
        """One quantum from the sample ``begin`` after the onset, at least -QUANTUM; to be read.

        What was not needed before is made now, quantum by quantum.
        """
        longest = self._envelopes.longest
        while wave.filled < min(begin + QUANTUM, longest):
            self._extend(wave)
        return wave.samples[begin + QUANTUM : begin + 2 * QUANTUM]

    def _extend(self, wave: PulseWave) -> None:
        begin = wave.filled
        phase, angle = self._phase, self._angle
        np.add(INDEX, float(begin), out=phase)
        if wave.bend != 0.0:
            np.multiply(phase, wave.bend, out=angle)
            np.multiply(angle, phase, out=angle)
            np.add(phase, angle, out=phase)
        np.multiply(phase, wave.pitch_hz / self._rate_hz, out=phase)
        part = wave.samples[begin + QUANTUM : begin + 2 * QUANTUM]
        self._partials.take(phase)
        self._partials.mix(timbre(wave.pitch_hz), part)
        np.multiply(part, self._envelopes.pulse[begin : begin + QUANTUM], out=part)
        wave.filled = begin + QUANTUM
