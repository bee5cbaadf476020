"""Pieces of a recording on disk: each readable by itself, whenever writing ended.

A segment is a Matroska video of a few seconds and a file of records beside it. Matroska is
written in clusters of half a second; what a crash cuts off is the last of them.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from sonar.capture.encode import VideoWriter
from sonar.errors import OutputError
from sonar.files import media_path
from sonar.types import RgbImage

CLUSTER_MS = 500
VIDEO, RECORDS = ".mkv", ".jsonl"
VIDEO_NAME, FRAMES_NAME = f"walk{VIDEO}", "frames.jsonl"
EVENTS_NAME, INFO_NAME = "events.jsonl", "info.json"
_SEGMENT = re.compile(r"seg-\d{8}")
_RECORDING = re.compile(r"\d{8}T\d{6}\.\d{6}Z-\w+")


class Segment:
    """One piece being written. Raises OutputError when it cannot be.

    Args:
        stem: path without suffix.
        height, width: of the frames, even.
        t0: source time of its beginning, in seconds; what is written is relative to it.
    """

    def __init__(self, stem: Path, height: int, width: int, rate_hz: float, t0: float) -> None:
        self.stem, self.t0 = stem, t0
        try:
            self._records: BinaryIO = stem.with_suffix(RECORDS).open("wb", buffering=0)
        except OSError as error:
            raise OutputError(f"cannot write {stem}: {error}") from error
        try:
            self._video = VideoWriter(
                stem.with_suffix(VIDEO),
                height,
                width,
                rate_hz,
                format="matroska",
                options={"cluster_time_limit": str(CLUSTER_MS)},
                x264={"crf": "28"},
            )
        except OutputError:
            self._records.close()
            raise

    def write(self, image: RgbImage, t: float) -> None:
        """uint8 (H, W, 3) RGB of the segment's size, taken at ``t`` source seconds."""
        self._video.frame(image, t - self.t0)

    def record(self, kind: str, values: dict[str, Any], t: float) -> None:
        """``{kind: values}`` as one line, in one write: a crash leaves whole lines. ``kind`` is
        frame or event; ``t`` is in source seconds."""
        values["t"] = round(max(0.0, t - self.t0), 6)
        line = json.dumps({kind: values}, separators=(",", ":")).encode() + b"\n"
        try:
            self._records.write(line)
        except OSError as error:
            raise OutputError(f"cannot write {self.stem}: {error.strerror}") from error

    def sync(self) -> None:
        """Bring the records to the disk: a power cut loses only what came after."""
        with contextlib.suppress(OSError):  # file systems without fsync
            os.fdatasync(self._records.fileno())

    def close(self) -> None:
        """Finish both files; releases them also when that fails with OutputError."""
        try:
            self._video.close()
        finally:
            try:
                self._records.close()
            except OSError as error:
                raise OutputError(f"cannot finish {self.stem}: {error}") from error


def stem_for(folder: Path, number: int) -> Path:
    """Path of a segment, without suffix."""
    return folder / f"seg-{number:08d}"


def number_of(stem: Path) -> int:
    """The reverse of :func:`stem_for`."""
    return int(stem.name.removeprefix("seg-"))


def stems(folder: Path) -> list[Path]:
    """The segments in ``folder``, oldest first, without suffix; other files are left out."""
    return sorted(p.with_suffix("") for p in folder.glob(f"*{VIDEO}") if _SEGMENT.fullmatch(p.stem))


def recordings(folder: Path, suffix: str = "") -> list[Path]:
    """The recordings that :func:`join` made in ``folder``, oldest first; nothing else there."""
    names = sorted(p for p in folder.glob(f"*{suffix}") if not p.is_symlink() and p.is_dir())
    return [p for p in names if _RECORDING.fullmatch(p.name.removesuffix(suffix).lstrip("."))]


def remove(stem: Path) -> None:
    """Delete a segment; what is already gone is fine."""
    for suffix in (VIDEO, RECORDS):
        with contextlib.suppress(OSError):
            stem.with_suffix(suffix).unlink(missing_ok=True)


def remove_recording(folder: Path) -> None:
    """Delete what :func:`join` made; files of others stay, and the folder with them."""
    for name in (VIDEO_NAME, FRAMES_NAME, EVENTS_NAME, INFO_NAME):
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def mend(folder: Path) -> list[Path]:
    """Remove what a crash left without a single frame; what was removed.

    Only the newest segments can be such; a few are looked at.
    """
    import av

    removed = []
    for stem in stems(folder)[-3:]:
        try:
            with av.open(media_path(stem.with_suffix(VIDEO))) as container:
                whole = bool(container.streams.video) and next(
                    (True for packet in container.demux(video=0) if packet.size), False
                )
        except (OSError, av.FFmpegError):
            whole = False
        if not whole:
            remove(stem)
            removed.append(stem)
    return removed


def size_bytes(path: Path) -> int:
    """Of a segment, given by its stem, or of a recording."""
    files = path.iterdir() if path.is_dir() else map(path.with_suffix, (VIDEO, RECORDS))
    total = 0
    with contextlib.suppress(OSError):
        for file in files:
            total += file.stat().st_size
    return total


def read_records(path: Path) -> Iterable[dict[str, Any]]:
    """The whole lines of a records file; a line cut by a power failure is left out."""
    try:
        data = path.read_bytes()
    except OSError:
        return
    for line in data.split(b"\n")[:-1]:
        try:
            values = json.loads(line)
        except ValueError:
            continue
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
        remove_recording(beside)
        beside.mkdir(parents=True)
        offsets = _join_videos(parts, beside / VIDEO_NAME)
        with (
            (beside / FRAMES_NAME).open("w", encoding="utf-8") as frames,
            (beside / EVENTS_NAME).open("w", encoding="utf-8") as events,
        ):
            for stem, offset_s in offsets:
                for line in read_records(stem.with_suffix(RECORDS)):
                    for kind, out in (("frame", frames), ("event", events)):
                        if kind in line:
                            values = line[kind]
                            values["t"] = round(float(values["t"]) + offset_s, 6)
                            out.write(json.dumps(values, ensure_ascii=False) + "\n")
        (beside / INFO_NAME).write_text(json.dumps(info, indent=2) + "\n", "utf-8")
        beside.rename(target)
    except (OSError, av.FFmpegError, ValueError, KeyError, TypeError) as error:
        remove_recording(beside)
        raise OutputError(f"cannot keep {target.name}: {error}") from error


def _join_videos(parts: Sequence[Path], target: Path) -> list[tuple[Path, float]]:
    """Packets of all parts one after the other, unchanged; where each part begins, in seconds.

    A part that cannot be read (cut off before its first frame) is left out.
    """
    import av

    offsets: list[tuple[Path, float]] = []
    begin = Fraction(0)
    with av.open(media_path(target), "w", format="matroska") as out:
        stream: Any = None
        for stem in parts:
            try:
                source = av.open(media_path(stem.with_suffix(VIDEO)))
            except (OSError, av.FFmpegError):
                continue
            with source:
                if not source.streams.video:
                    continue
                video = source.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(video)
                elif (stream.width, stream.height) != (video.width, video.height):
                    continue  # another camera: its own recording
                end, step = begin, Fraction(1, 10)
                for packet in _packets(source, video):
                    at = begin + packet.pts * packet.time_base
                    step = at - end if at > end else step
                    end = max(end, at)
                    packet.pts = packet.dts = round(at / packet.time_base)
                    packet.stream = stream
                    out.mux(packet)
                offsets.append((stem, float(begin)))
                begin = end + step
    if not offsets:
        raise ValueError("none of its frames can be read")
    return offsets


def _packets(source: Any, video: Any) -> Iterable[Any]:
    import av

    try:
        for packet in source.demux(video):
            if packet.size and packet.pts is not None:
                yield packet
    except av.FFmpegError:  # cut off: what came before it is good
        return
