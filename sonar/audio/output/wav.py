"""A WAV file that is valid at every moment: 16-bit stereo, the header kept up to date.

Beyond 4 GB (six hours at 48 kHz) it becomes RF64 (EBU Tech 3306): the ``ds64`` chunk with the
64-bit sizes takes the place of the ``JUNK`` chunk that was there from the start.
"""

import os
import struct
from contextlib import suppress
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.audio.output.sinks import OfflineSink, OnBlock
from sonar.audio.synthesis import Mixer
from sonar.errors import OutputError

_HEADER = struct.Struct("<4sI4s 4sI28s 4sIHHIIHH 4sI")  # RIFF, JUNK or ds64, fmt, data
_FRAME_BYTES = 4  # two channels of 16 bits
_UNKNOWN = 0xFFFFFFFF  # in place of a 32-bit size: it is in ds64


def read_wav(path: Path) -> tuple[int, NDArray[np.int16]]:
    """A 16-bit stereo WAV or RF64 file that ends with its samples: rate in Hz, int16 (n, 2).

    The samples stay on the disk until they are used. Raises ValueError for another kind of file,
    OSError for one that cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4096)
        whole = file.seek(0, os.SEEK_END)
    layout, begin = head.find(b"fmt ") + 8, head.find(b"data") + 8
    if head[8:12] != b"WAVE" or layout < 8 or begin < layout + 16:
        raise ValueError("it is no WAV file")
    code, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", head, layout)
    if (code, channels, bits) != (1, 2, 16):
        raise ValueError("it is not 16-bit stereo")
    count = (whole - begin) // _FRAME_BYTES
    if count <= 0:
        raise ValueError("it holds no sound")
    return rate_hz, np.memmap(path, "<i2", "r", begin, (count, 2))


def _header(rate_hz: int, size: int) -> bytes:
    """The header of a file with ``size`` bytes of samples."""
    kind, riff_size, data_size = b"RIFF", size + _HEADER.size - 8, size
    name, sizes = b"JUNK", bytes(28)
    if riff_size >= _UNKNOWN:
        name, sizes = b"ds64", struct.pack("<QQQI", riff_size, size, size // _FRAME_BYTES, 0)
        kind, riff_size, data_size = b"RF64", _UNKNOWN, _UNKNOWN
    layout = (16, 1, 2, rate_hz, rate_hz * _FRAME_BYTES, _FRAME_BYTES, 16)
    riff = (kind, riff_size, b"WAVE")
    return _HEADER.pack(*riff, name, len(sizes), sizes, b"fmt ", *layout, b"data", data_size)


class WavSink(OfflineSink):
    """Writes what is heard to ``path``, in media time.

    The file is complete and playable at every moment, also when the disk is full or the process is
    killed right then.
    """

    def __init__(self, mixer: Mixer, path: Path | str, on_block: OnBlock | None = None) -> None:
        super().__init__(mixer, on_block)
        self._path = Path(path)
        self.label = f"WAV file {self._path}"
        self._file: FileIO | None = None
        self._file_bytes = 0

    def start(self) -> None:
        try:
            self._file = self._path.open("wb", buffering=0)
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error
        self._append(_header(self._mixer.rate_hz, 0))
        super().start()

    def _write(self, block: NDArray[np.float32]) -> None:
        self._append(np.rint(block * np.float32(32767.0)).astype("<i2").tobytes())

    def _append(self, data: bytes) -> None:
        """All of it, and the new length into the header; or OutputError, and what fitted."""
        view, file = memoryview(data), self._file
        if file is None:
            return
        try:
            while view:
                written = file.write(view)
                self._file_bytes += written
                view = view[written:]
            self._seal(file)
        except OSError as error:
            self._open = False
            with suppress(OSError):
                file.truncate(self._seal(file))
            self._finish()
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error

    def _seal(self, file: FileIO) -> int:
        """Bring the header up to date; returns where the last whole frame ends."""
        size = (self._file_bytes - _HEADER.size) // _FRAME_BYTES * _FRAME_BYTES
        if size < 0:
            return self._file_bytes
        os.pwrite(file.fileno(), _header(self._mixer.rate_hz, size), 0)
        return _HEADER.size + size

    def _finish(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
