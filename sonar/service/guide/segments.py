"""Pieces of a recording on disk: each readable by itself, whenever writing ended.

A segment is a Matroska video of a few seconds and a file of records beside it. Matroska is
written in clusters of half a second; what a crash cuts off is the last of them.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from sonar.capture.encode import VideoWriter
from sonar.errors import OutputError
from sonar.files import media_path

CLUSTER_MS = 500
VIDEO, RECORDS = ".mkv", ".jsonl"
JOINED = ("walk.mkv", "frames.jsonl", "events.jsonl", "info.json")  # in a kept recording
_SEGMENT = re.compile(r"seg-\d{8}")
_RECORDING = re.compile(r"\d{8}T\d{6}\.\d{6}Z-\w+")


class Segment:
    """One piece being written, at ``stem`` with two suffixes. Raises OutputError when it cannot be.

    ``height`` and ``width`` are those of its frames, even; ``t0`` is the source time in seconds of
    its beginning: what is written is relative to it.
    """

    def __init__(self, stem: Path, height: int, width: int, rate_hz: float, t0: float) -> None:
        self.stem, self.size, self.t0 = stem, (height, width), t0
        self.video = VideoWriter(
            stem.with_suffix(VIDEO),
            height,
            width,
            rate_hz,
            format="matroska",
            options={"cluster_time_limit": str(CLUSTER_MS)},
            x264={"crf": "28"},
        )
        self._records: BinaryIO | None = None

    def record(self, kind: str, values: dict[str, Any], t: float) -> None:
        """``{kind: values}`` as one line, in one write: a crash leaves whole lines. ``kind`` is
        frame or event; ``t`` is in source seconds."""
        values["t"] = round(max(0.0, t - self.t0), 6)
        line = json.dumps({kind: values}, separators=(",", ":")).encode() + b"\n"
        try:
            if self._records is None:
                self._records = self.stem.with_suffix(RECORDS).open("wb", buffering=0)
            self._records.write(line)
        except OSError as error:
            raise OutputError(f"cannot write {self.stem}: {error.strerror}") from error

    def close(self) -> None:
        """Finish both files; releases them also when that fails with OutputError."""
        try:
            self.video.close()
        finally:
            if self._records is not None:
                with contextlib.suppress(OSError):
                    self._records.close()


def stems(folder: Path) -> list[Path]:
    """The segments in ``folder``, oldest first, without suffix; other files are left out."""
    return sorted(p.with_suffix("") for p in folder.glob(f"*{VIDEO}") if _SEGMENT.fullmatch(p.stem))


def recordings(folder: Path, suffix: str = "") -> list[Path]:
    """The recordings that :func:`join` made in ``folder``, oldest first; nothing else there."""
    names = sorted(p for p in folder.glob(f"*{suffix}") if not p.is_symlink() and p.is_dir())
    return [p for p in names if _RECORDING.fullmatch(p.name.removesuffix(suffix).lstrip("."))]


def files_of(path: Path) -> list[Path]:
    """The files of a segment, given by its stem, or of a recording."""
    if path.is_dir():
        return [path / name for name in JOINED]
    return [path.with_suffix(VIDEO), path.with_suffix(RECORDS)]


def remove(path: Path) -> None:
    """Delete a segment or recording; files of others stay, and a folder with them."""
    is_folder = path.is_dir()
    for file in files_of(path):
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
    if is_folder:
        with contextlib.suppress(OSError):
            path.rmdir()


def size_bytes(path: Path) -> int:
    """Of a segment, given by its stem, or of a recording."""
    total = 0
    for file in files_of(path):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a records file; a line cut by a power failure is left out."""
    try:
        data = path.read_bytes()
    except OSError:
        return
    for line in data.split(b"\n")[:-1]:
        with contextlib.suppress(ValueError):
            values = json.loads(line)
            if isinstance(values, dict):
                yield values


def join(parts: Sequence[Path], target: Path, info: dict[str, Any]) -> None:
    """Make one recording of segments: ``walk.mkv``, ``frames.jsonl``, ``events.jsonl``,
    ``info.json`` in a new folder ``target``, which appears only when all of it is there.

    Raises OutputError when it cannot be written; the segments are left as they are.
    """
    import av

    beside = target.with_name(f".{target.name}.part")
    try:
        beside.mkdir(parents=True)
        video, frames, events, about = files_of(beside)
        offsets = _join_videos(parts, video)
        with (
            frames.open("w", encoding="utf-8") as frame_lines,
            events.open("w", encoding="utf-8") as event_lines,
        ):
            for stem, offset_s in offsets:
                for line in read_records(stem.with_suffix(RECORDS)):
                    for kind, out in (("frame", frame_lines), ("event", event_lines)):
                        if kind in line:
                            values = line[kind]
                            values["t"] = round(float(values["t"]) + offset_s, 6)
                            out.write(json.dumps(values, ensure_ascii=False) + "\n")
        about.write_text(json.dumps(info, indent=2) + "\n", "utf-8")
        beside.rename(target)
    except (OSError, av.FFmpegError, ValueError, KeyError, TypeError) as error:
        remove(beside)
        raise OutputError(f"cannot keep {target.name}: {error}") from error


def _join_videos(parts: Sequence[Path], target: Path) -> list[tuple[Path, float]]:
    """Packets of all parts one after the other, unchanged; where each part begins, in seconds.

    A part that cannot be read (cut off before its first frame), or of another size, is left out.
    """
    import av

    offsets: dict[Path, float] = {}
    begin = Fraction(0)
    with av.open(media_path(target), "w", format="matroska") as out:
        stream: Any = None
        for stem in parts:
            start, step = begin, Fraction(1, 10)
            for video, packet in _packets(stem):
                stream = stream or out.add_stream_from_template(video)
                if (stream.width, stream.height) != (video.width, video.height):
                    break
                offsets.setdefault(stem, float(start))
                at = start + packet.pts * packet.time_base
                step, begin = at - begin or step, at
                packet.pts = packet.dts = round(at / packet.time_base)
                packet.stream = stream
                out.mux(packet)
            if stem in offsets:
                begin += step
    if not offsets:
        raise ValueError("none of its frames can be read")
    return [*offsets.items()]


def _packets(stem: Path) -> Iterator[tuple[Any, Any]]:
    """The video stream and each of its packets; a file that was cut off ends where it is good."""
    import av

    path = media_path(stem.with_suffix(VIDEO))
    with contextlib.suppress(OSError, av.FFmpegError, IndexError), av.open(path) as source:
        video = source.streams.video[0]
        for packet in source.demux(video):
            if packet.size and packet.pts is not None:
                yield video, packet
