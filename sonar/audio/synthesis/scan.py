"""The scan: the frame from left to right once a second, for exploring by ear.

After The vOICe (Meijer 1992), on depth instead of brightness: time and side say where, pitch
how high up in the frame, loudness how near.
"""

from sonar.audio.synthesis.panning import Panning
from sonar.audio.synthesis.primitives import Samples, db_to_gain
from sonar.audio.synthesis.voices import ToneVoice
from sonar.types import Column, Cue

PERIOD_S, SWEEP_S = 1.0, 0.8  # the rest is a pause, so that the beginning is heard
LOWEST_HZ, HIGHEST_HZ = 250.0, 1000.0  # the lower and the upper edge of the frame
FAINTEST_DB = -30.0  # an obstacle at the far edge; 0 dB when touching


class ScanTrack:
    """Plays the columns of the newest scan.

    Args:
        rate_hz: samples a second.
        panning: from the columns' pans to ears.
    """

    def __init__(self, rate_hz: int, panning: Panning) -> None:
        self._voice = ToneVoice(rate_hz)
        self._panning = panning
        self._period, self._sweep = round(PERIOD_S * rate_hz), round(SWEEP_S * rate_hz)
        self._columns: tuple[Column, ...] = ()
        self._begun = 0

    def set(self, cue: Cue | None, position: int) -> None:
        """Scan ``cue.columns`` from ``position`` on; new columns are taken up on the way."""
        if cue is None:
            self._columns = ()
            self._voice.release()
            return
        if not self._columns:
            self._begun = position
        self._columns = cue.columns

    def add(self, bus: Samples, position: int) -> bool:
        """One quantum into ``bus``; whether there was anything to add."""
        if self._columns:
            self._aim((position - self._begun) % self._period)
        if not self._voice.active:
            return False
        self._voice.add(bus)
        return True

    def _aim(self, phase: int) -> None:
        count = len(self._columns)
        index = phase * count // self._sweep
        column = self._columns[index] if index < count else None
        if column is None or column.proximity <= 0.0:
            self._voice.release()
            return
        pan = 2.0 * (index + 0.5) / count - 1.0
        ears = self._panning.ears(pan).scaled(column_gain(column))
        self._voice.set(column_pitch_hz(column), ears, 0.0, 1.0)


def column_pitch_hz(column: Column) -> float:
    """Two octaves from the lower to the upper edge of the frame."""
    return float(LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** column.elevation)


def column_gain(column: Column) -> float:
    """Louder when nearer, evenly in dB."""
    return db_to_gain(FAINTEST_DB * (1.0 - column.proximity))
