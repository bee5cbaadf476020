"""The spectrogram of a run, both ears, and its figures in words."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.audio.output.wav import read_wav
from sonar.errors import SourceError

TOP_HZ = 6000  # warnings have their energy below this
_WINDOW = 2048
_COLUMNS = 1000
_ROWS = 64  # of each ear
_PER_COLUMN = 12  # windows looked at in a column of a long recording
_FLOOR_DB = -75.0
_SILENT_DBFS = -60.0


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of a run.

    Attributes:
        duration_s: its length.
        png: the spectrogram: left ear above right, 0 to :data:`TOP_HZ` upwards in each, bright =
            loud, as wide as ``duration_s``.
        sounding: share of the time in which something is heard, 0 to 1.
        louder: share of that time in which the left, and the right, ear gets > 6 dB more.
    """

    duration_s: float
    png: bytes
    sounding: float
    louder: tuple[float, float]

    @property
    def words(self) -> str:
        """The spectrogram in one sentence."""
        left, right = (round(100 * share) for share in self.louder)
        return (
            f"Something sounds for {100 * self.sounding:.0f} % of the time; of that, {left} % "
            f"clearly on the left and {right} % clearly on the right."
        )


def analyse(path: Path) -> Sound:
    """Read a stereo WAV of 16 bits. Raises SourceError."""
    try:
        return _analyse(*read_wav(path))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} is not a sound that sonar wrote: {error}") from error


def _analyse(rate_hz: int, samples: NDArray[np.int16]) -> Sound:
    length = len(samples)
    columns = max(1, min(_COLUMNS, length // (_WINDOW // 4)))
    rows = int(TOP_HZ / rate_hz * _WINDOW)
    powers = np.zeros((2, rows, columns), np.float32)
    rms: list[NDArray[np.float32]] = []
    shape = np.hanning(_WINDOW).astype(np.float32)
    edges = np.linspace(0, length, columns + 1).astype(int)
    for column in range(columns):
        start, end = edges[column], edges[column + 1]
        count = int(np.clip(-(-(end - start) // _WINDOW), 1, _PER_COLUMN))
        power = np.zeros((2, rows), np.float32)
        for offset in np.linspace(start, max(start, end - _WINDOW), count).astype(int):
            block = _read(samples, int(offset))
            rms.append(np.sqrt((block**2).mean(axis=1)))
            spectrum = np.abs(np.fft.rfft(block * shape, axis=1)[:, :rows]) / (_WINDOW / 4)
            power = np.maximum(power, spectrum.astype(np.float32) ** 2)
        powers[:, :, column] = power
    loud = 20 * np.log10(np.maximum(np.stack(rms), 1e-6))
    heard = loud[loud.max(axis=1) > _SILENT_DBFS]
    apart = heard[:, 0] - heard[:, 1]
    return Sound(
        length / rate_hz,
        _image(powers),
        len(heard) / len(loud),
        (float((apart > 6).mean()), float((apart < -6).mean())) if len(heard) else (0.0, 0.0),
    )


def _read(samples: NDArray[np.int16], offset: int) -> NDArray[np.float32]:
    """``_WINDOW`` samples from ``offset`` on, float32 (2, _WINDOW), zeros beyond the end."""
    part = samples[offset : offset + _WINDOW]
    block = np.zeros((2, _WINDOW), np.float32)
    block[:, : len(part)] = part.T / np.float32(32768.0)
    return block


def _image(powers: NDArray[np.float32]) -> bytes:
    level_db = 10 * np.log10(np.maximum(powers, 1e-12))
    gray = np.clip((level_db - _FLOOR_DB) / -_FLOOR_DB * 255, 0, 255).astype(np.uint8)
    # The loudest of the rows that fall together: a mean would hide a pure tone.
    starts = np.linspace(0, gray.shape[1], _ROWS, endpoint=False).astype(int)
    ears = [np.maximum.reduceat(ear, starts, axis=0)[::-1] for ear in gray]
    line = np.full((2, powers.shape[2]), 255, np.uint8)
    colored = cv2.applyColorMap(np.vstack([ears[0], line, ears[1]]), cv2.COLORMAP_INFERNO)
    return bytes(cv2.imencode(".png", colored)[1].tobytes())
