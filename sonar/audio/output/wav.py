"""A WAV file that is valid at every moment: 16-bit stereo, the header kept up to date.

Beyond 4 GB (six hours at 48 kHz) it becomes RF64 (EBU Tech 3306): the ``ds64`` chunk with the
64-bit sizes takes the place of the ``JUNK`` chunk that was there from the start.
"""

import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.audio.output.offline import LONGEST_BLOCK, OfflineSink, OnBlock
from sonar.audio.synthesis import Mixer
from sonar.errors import OutputError

_HEADER_BYTES = 80
_SIZES_BYTES = 28  # of the JUNK or ds64 chunk
_FRAME_BYTES = 4  # two channels of 16 bits
_HELD_S = 0.1  # a write for every frame would cost a fifth of the sound's time
_UNKNOWN = 0xFFFFFFFF  # in place of a 32-bit size: it is in ds64


def read_wav(path: Path) -> tuple[int, NDArray[np.int16]]:
    """A 16-bit stereo WAV or RF64 file: its rate in Hz, and its samples, int16 (n, 2).

    The samples stay on the disk until they are used. Raises ValueError for another kind of file,
    OSError for one that cannot be read.
    """
    with path.open("rb") as file:
        kind, _, form = struct.unpack("<4sI4s", file.read(12).ljust(12))
        if kind not in (b"RIFF", b"RF64") or form != b"WAVE":
            raise ValueError("it is no WAV file")
        wide_bytes = rate_hz = 0
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"data":
                break
            content = file.read(size + size % 2)
            if name == b"ds64":
                wide_bytes = struct.unpack_from("<Q", content, 8)[0]
            elif name == b"fmt ":
                code, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", content)
                if (code, channels, bits) != (1, 2, 16):
                    raise ValueError("it is not 16-bit stereo")
        else:
            raise ValueError("it holds no sound")
        begin = file.tell()
        whole = file.seek(0, os.SEEK_END) - begin
    count = min(wide_bytes if size == _UNKNOWN else size, whole) // _FRAME_BYTES
    if not rate_hz or not count:
        raise ValueError("it holds no sound")
    return rate_hz, np.memmap(path, "<i2", "r", begin, (count, 2))


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
        self._file_bytes = 0
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
            self._file_bytes += written
            view = view[written:]

    def _header(self) -> bytes:
        rate_hz = self._mixer.rate_hz
        size = max(0, self._file_bytes - _HEADER_BYTES)
        size -= size % _FRAME_BYTES
        riff_size = size + _HEADER_BYTES - 8
        large = riff_size > _UNKNOWN - 1
        sizes = struct.pack("<QQQI", riff_size, size, size // _FRAME_BYTES, 0)
        return struct.pack(
            f"<4sI4s4sI{_SIZES_BYTES}s4sIHHIIHH4sI",
            *(b"RF64" if large else b"RIFF", _UNKNOWN if large else riff_size, b"WAVE"),
            *(b"ds64" if large else b"JUNK", _SIZES_BYTES, sizes if large else bytes(28)),
            *(b"fmt ", 16, 1, 2, rate_hz, rate_hz * _FRAME_BYTES, _FRAME_BYTES, 16),
            *(b"data", _UNKNOWN if large else size),
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
            whole = self._file_bytes - (self._file_bytes - _HEADER_BYTES) % _FRAME_BYTES
            if self._file_bytes >= _HEADER_BYTES:
                os.pwrite(descriptor, self._header(), 0)
                os.ftruncate(descriptor, whole)
        finally:
            self._descriptor = -1
            os.close(descriptor)

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write {self._path}: {error.strerror or error}")
