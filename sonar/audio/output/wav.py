"""A WAV file that is valid at every moment: 16-bit stereo, the header kept up to date."""

import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.audio.output.offline import LONGEST_BLOCK, OfflineSink, OnBlock
from sonar.audio.synthesis.mixer import Mixer
from sonar.errors import OutputError

_HEADER_BYTES = 44
_FRAME_BYTES = 4  # two channels of 16 bits
_HELD_S = 0.1  # a write for every picture would cost a fifth of the sound's time
_LARGEST = 0xFFFFFFFF - _HEADER_BYTES


class WavSink(OfflineSink):
    """Writes what is heard to ``path``, in media time.

    The file is complete and playable at every moment, and lacks at most the last tenth of a second
    of what was rendered, also when the disk is full or the process is killed right then.
    """

    def __init__(self, mixer: Mixer, path: Path | str, on_block: OnBlock | None = None) -> None:
        super().__init__(mixer, on_block)
        self._path = Path(path)
        self.label = f"WAV file {self._path}"
        self._descriptor = -1
        self._data_bytes = 0
        self._scaled = np.zeros((LONGEST_BLOCK, 2), np.float32)
        self._hold = round(_HELD_S * mixer.rate_hz)
        self._held = np.zeros((self._hold + LONGEST_BLOCK, 2), "<i2")
        self._count = 0  # frames held

    def start(self) -> None:
        """Raises OutputError when the file cannot be made."""
        try:
            self._descriptor = os.open(
                self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666
            )
            self._put(self._header())
        except OSError as error:
            self._cut_off()
            raise self._failure(error) from error
        super().start()

    def drain(self, limit_s: float) -> None:
        super().drain(limit_s)
        if self._descriptor >= 0:
            self._flush()

    def _write(self, block: NDArray[np.float32]) -> None:
        scaled, begin = self._scaled[: len(block)], self._count
        np.multiply(block, 32767.0, out=scaled)
        np.rint(scaled, out=scaled)
        self._count += len(block)
        np.copyto(self._held[begin : self._count], scaled, casting="unsafe")
        if self._count >= self._hold:
            self._flush()

    def _flush(self) -> None:
        """What is held into the file, and the new length into its header."""
        held, self._count = self._held[: self._count].reshape(-1).view(np.uint8).data, 0
        try:
            self._put(held)
            os.pwrite(self._descriptor, self._header(), 0)
        except OSError as error:
            self._open = False
            self._cut_off()
            raise self._failure(error) from error

    def _put(self, view: bytes | memoryview) -> None:
        """All of it, or OSError with as much as fitted written and counted."""
        while view:
            written = os.write(self._descriptor, view)
            self._data_bytes += written
            view = view[written:]

    def _header(self) -> bytes:
        rate_hz = self._mixer.rate_hz
        size = max(0, self._data_bytes - _HEADER_BYTES)
        size = min(size - size % _FRAME_BYTES, _LARGEST - _LARGEST % _FRAME_BYTES)
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 2, rate_hz),
            *(rate_hz * _FRAME_BYTES, _FRAME_BYTES, 16, b"data", size),
        )

    def _finish(self) -> None:
        if self._descriptor >= 0:
            self._flush()
            self._cut_off()

    def _cut_off(self) -> None:
        """Close the file after the last whole frame."""
        if self._descriptor < 0:
            return
        descriptor = self._descriptor
        try:
            whole = self._data_bytes - (self._data_bytes - _HEADER_BYTES) % _FRAME_BYTES
            if self._data_bytes >= _HEADER_BYTES:
                os.pwrite(descriptor, self._header(), 0)
                os.ftruncate(descriptor, whole)
        finally:
            self._descriptor = -1
            os.close(descriptor)

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write {self._path}: {error.strerror or error}")
