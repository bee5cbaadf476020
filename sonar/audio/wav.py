"""A WAV file that is valid at every moment: 16-bit stereo, the header kept up to date."""

import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.audio.mixer import Mixer
from sonar.audio.offline import OfflineSink, OnBlock
from sonar.errors import OutputError

_HEADER_BYTES = 44
_FRAME_BYTES = 4  # two channels of 16 bits
_LARGEST = 0xFFFFFFFF - _HEADER_BYTES


class WavSink(OfflineSink):
    """Writes what is heard to ``path``, in media time.

    After every call of :meth:`advance` the file is complete and playable as far as it goes,
    also when the disk is full or the process is killed right then.
    """

    def __init__(self, mixer: Mixer, path: Path | str, on_block: OnBlock | None = None) -> None:
        super().__init__(mixer, on_block)
        self._path = Path(path)
        self.label = f"WAV file {self._path}"
        self._descriptor = -1
        self._data_bytes = 0

    def start(self) -> None:
        """Raises OutputError when the file cannot be made."""
        try:
            self._descriptor = os.open(
                self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666
            )
            self._put(self._header())
        except OSError as error:
            self._finish()
            raise self._failure(error) from error
        super().start()

    def advance(self, t: float) -> None:
        super().advance(t)
        self._refresh()

    def drain(self, limit_s: float) -> None:
        super().drain(limit_s)
        self._refresh()

    def _write(self, block: NDArray[np.float32]) -> None:
        try:
            self._put(np.rint(block * 32767.0).astype("<i2").tobytes())
        except OSError as error:
            self._open = False
            self._finish()
            raise self._failure(error) from error

    def _put(self, data: bytes) -> None:
        """All of it, or OSError with as much as fitted written and counted."""
        view = memoryview(data)
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

    def _refresh(self) -> None:
        if self._descriptor < 0:
            return
        try:
            os.pwrite(self._descriptor, self._header(), 0)
        except OSError as error:
            raise self._failure(error) from error

    def _finish(self) -> None:
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
