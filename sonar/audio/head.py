"""A measured head instead of a level difference: each direction has a filter for each ear.

The filters are applied once a quantum and direction, to the sum of what comes from there, so a
sound that changes sides goes over by gains alone: no filter ever changes under a sound, and
nothing clicks. No array is allocated after the start.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis.lag import GLIDE_QUANTA
from sonar.audio.synthesis.synth import Ears, Samples
from sonar.audio.synthesis.tables import QUANTUM, add_ramped, approach

PLACES = 33  # from fully left to fully right; the center is one of them
SIDE_DEG = 90.0  # azimuth of what is fully to one side
_ROW = 16  # outputs that one row of the product below makes; QUANTUM is a multiple


def place_of(pan: float) -> int:
    """The direction nearest to ``pan``, 0 (left) to PLACES - 1 (right)."""
    return round((pan + 1.0) / 2.0 * (PLACES - 1))


def pan_of(place: int) -> float:
    """Where it is, -1 to 1."""
    return 2.0 * place / (PLACES - 1) - 1.0


@dataclass(frozen=True, eq=False)
class Head:
    """Impulse responses of one head.

    Attributes:
        filters: float32 ``(PLACES, 2, taps)``, left ear first, at the mixer's rate. Each place's
            power over both ears is that of a plain panned sound.
        source: where they come from, for people.
    """

    filters: NDArray[np.float32]
    source: str

    @property
    def taps(self) -> int:
        """Length of a filter in samples."""
        return int(self.filters.shape[2])


class HeadSpace:
    """A :class:`~sonar.audio.synthesis.space.Space` of one head.

    Each place has a line of the samples that came from there. A quantum of the line times the
    place's filters is one small matrix product: row r of the left factor is the line from
    ``taps - 1`` samples before output 16 r to output 16 r + 15, and column i of the right factor
    is the filter, reversed and shifted by i. That is the convolution itself, not an estimate.
    """

    def __init__(self, head: Head) -> None:
        taps = head.taps
        self._past = taps - 1
        self._slots = -(-self._past // QUANTUM) + 1  # so that the past can be moved in one piece
        rows, width = QUANTUM // _ROW, self._past + _ROW
        self._factors = np.stack([_shifted(pair) for pair in head.filters])
        self._lines = np.zeros((PLACES, self._past + self._slots * QUANTUM), np.float32)
        self._window = np.zeros((rows, width), np.float32)
        self._product = np.zeros((2, rows, _ROW), np.float32)
        self._heard = self._product.reshape(2, QUANTUM)
        self._scratch = np.zeros(QUANTUM, np.float32)
        # Views made once: of the coming quantum in each line, and of the rows that end in it.
        begins = [self._past + slot * QUANTUM for slot in range(self._slots)]
        self._now = [[line[b : b + QUANTUM] for line in self._lines] for b in begins]
        self._rows = [
            [
                np.lib.stride_tricks.sliding_window_view(line[b - self._past : b + QUANTUM], width)[
                    ::_ROW
                ]
                for line in self._lines
            ]
            for b in begins
        ]
        self._slot = 0
        self._tail = -(-taps // QUANTUM)  # quanta for which a filter rings on
        self._left = [0] * PLACES  # quanta for which each place is still heard
        self._ringing: list[int] = []

    def ears(self, pan: float) -> Ears:
        """The nearest measured direction."""
        return Ears(1.0, 1.0, 0.0, place_of(pan))

    def spot(self) -> "HeadSpot":
        return HeadSpot(self)

    def glide(self) -> "HeadGlide":
        return HeadGlide(self)

    def add(self, place: int, wave: Samples, from_gain: float, to_gain: float) -> None:
        """``wave`` sounds from ``place`` in the coming quantum, the gain moving evenly."""
        if self._left[place] == 0:
            self._ringing.append(place)
        self._left[place] = self._tail + 1
        add_ramped(self._now[self._slot][place], wave, self._scratch, from_gain, to_gain)

    def finish(self, bus: Samples) -> bool:
        """What both ears hear of the quantum, into ``bus``; whether that was anything."""
        if not self._ringing:
            return False
        rows, last = self._rows[self._slot], self._slot + 1 == self._slots
        self._slot = 0 if last else self._slot + 1
        for place in self._ringing:
            np.copyto(self._window, rows[place])
            np.matmul(self._window, self._factors[place], out=self._product)
            np.add(bus, self._heard, out=bus)
            self._left[place] -= 1
            line = self._lines[place]
            if self._left[place] == 0:
                line[:] = 0.0
            elif last:
                line[: self._past] = line[line.size - self._past :]
            self._now[self._slot][place][:] = 0.0
        self._ringing[:] = [place for place in self._ringing if self._left[place]]
        return True


class HeadSpot:
    """One struck sound; stays in its place."""

    def __init__(self, space: HeadSpace) -> None:
        self._space = space

    def clear(self) -> None:
        """The place's line belongs to the space: what rings there goes on."""

    def add(self, bus: Samples, wave: Samples, ears: Ears) -> None:
        """One quantum; heard when the space is finished."""
        self._space.add(ears.place, wave, ears.left, ears.left)


class HeadGlide:
    """A steady tone; a new place fades in while the old ones fade out."""

    def __init__(self, space: HeadSpace) -> None:
        self._space = space
        self._gains = [0.0] * PLACES
        self._held: list[int] = []  # places with a gain
        self._target = Ears()

    @property
    def active(self) -> bool:
        """Audible, or about to be."""
        return bool(self._held) or self._target.left > 0.0

    def begin(self, ears: Ears) -> None:
        """Nothing to prepare: its gain rises from 0."""

    def head_for(self, ears: Ears) -> None:
        """From the coming quantum on, move there."""
        self._target = ears
        if ears.left > 0.0 and ears.place not in self._held:
            self._held.append(ears.place)

    def release(self) -> None:
        """Fade out."""
        self._target = Ears()

    def add(self, bus: Samples, wave: Samples) -> None:
        """One quantum; heard when the space is finished."""
        target, step = self._target, 1.0 / GLIDE_QUANTA
        for place in self._held:
            before = self._gains[place]
            after = approach(before, target.left if place == target.place else 0.0, step)
            self._gains[place] = after
            if before or after:
                self._space.add(place, wave, before, after)
        self._held[:] = [
            place for place in self._held if self._gains[place] or place == target.place
        ]


def _shifted(pair: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 ``(2, taps)`` to ``(2, taps + 15, 16)``: column i is the filter reversed, i later."""
    taps = pair.shape[1]
    factor = np.zeros((2, taps - 1 + _ROW, _ROW), np.float32)
    for shift in range(_ROW):
        factor[:, shift : shift + taps, shift] = pair[:, ::-1]
    return factor
