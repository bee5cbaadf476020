"""The last minutes, kept when something happened. Off unless the user turns it on.

A ring of parts on disk, each a folder with a video and its records that ``sonar replay`` reads. A
danger or a button moves the ring, and what follows, to the kept recordings. A part can be read
whenever writing ended: Matroska is written in clusters of half a second, and records in whole
lines. All writing happens in a thread; when it cannot keep up, or the disk is full, frames are left
out and the guiding goes on.
"""

import contextlib
import json
import queue
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2

from sonar.capture.encode import VideoWriter
from sonar.config import RecordingConfig
from sonar.errors import OutputError
from sonar.files import writing
from sonar.ports import Clock
from sonar.records import Step, Update
from sonar.threads import GuardedThread
from sonar.types import CueKind, Frame, Priority

RING_S = 120.0  # of the past
AFTER_S = 10.0  # kept after the event
KEEP_AGAIN_S = 60.0  # a danger does not keep it again sooner
WIDTH_PX, RATE_HZ = 480, 10.0  # of the recorded frames, at most
PART_S = 60.0
CLUSTER = {"cluster_time_limit": "500"}  # milliseconds
VIDEO, FRAMES, EVENTS = "walk.mkv", "frames.jsonl", "events.jsonl"
_OURS = re.compile(r"part-\d{8}|\d{8}T\d{6}\.\d{6}Z-\w+")  # parts, and kept recordings
_WAITING = 12  # updates for the thread; each may be a megabyte
_PAUSE_AFTER_ERROR_S = 30.0


class RecordedPart:
    """One part being written, with frames of ``size`` (height, width); its times count from ``t0``.
    Raises OutputError when it cannot be."""

    def __init__(self, folder: Path, size: tuple[int, int], t0: float) -> None:
        self.folder, self.size, self.t0 = folder, size, t0
        with writing(folder):
            folder.mkdir(mode=0o700)
        self.video = VideoWriter(
            folder / VIDEO, *size, RATE_HZ, format="matroska", options=CLUSTER, x264={"crf": "28"}
        )

    def record(self, name: str, values: dict[str, Any], t: float) -> None:
        """``values`` as one line of the file ``name``, in one write: a crash leaves whole lines."""
        values["t"] = round(max(0.0, t - self.t0), 6)
        line = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        with writing(self.folder), (self.folder / name).open("ab", buffering=0) as file:
            file.write(line)


class Recorder:
    """Consumes steps. ``folder`` is made if needed; raises OutputError where it cannot be."""

    def __init__(
        self, config: RecordingConfig, folder: Path, clock: Clock, log: Callable[..., None]
    ) -> None:
        self._config, self._clock, self._log = config, clock, log
        self._ring, self._keep, self._paused = folder / "ring", folder / "kept", False
        for path in (self._ring, self._keep):
            with writing(path):
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
                for old in path.glob("seg-[0-9]*.*"):  # recorded by the version before
                    old.unlink()
        last = max(self._ring.glob("part-" + "[0-9]" * 8), default=Path("part-0"))
        self._number = int(last.name[5:])
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._next_t = self._danger_t = float("-inf")
        # From here on the thread's; others may read.
        self._anything = self._number > 0  # in the ring
        self._last_t = 0.0
        self._part: RecordedPart | None = None
        self._blocked_until_s = float("-inf")
        self._keep_at: tuple[float, str] | None = None  # source time at which the ring is kept

        def announce(problem: str, gave_up: bool) -> None:
            event = "recording_off" if gave_up else "recording_failed"
            log(event, level="error", problem=problem)

        self._thread = GuardedThread("recorder", self._work, announce=announce, clock=clock)
        self._thread.start()

    def consume(self, update: Update) -> None:
        """Take events and frames; never waits."""
        frame = None
        if isinstance(update, Step):
            t, cue = update.frame.t, update.cue
            danger = cue.priority >= Priority.DANGER and cue.kind is not CueKind.SILENCE
            if danger and t - self._danger_t >= KEEP_AGAIN_S and self.keep("danger"):
                self._danger_t = t
            if t >= self._next_t:
                self._next_t = max(self._next_t, t - 1.0) + 1.0 / RATE_HZ
                frame = update.frame
        wanted = not self._paused and (frame is not None or update.events)
        if wanted and self._queue.qsize() < _WAITING:
            self._queue.put(lambda: self._write(update, frame))

    def keep(self, why: str) -> bool:
        """Keep the ring, and the next ``AFTER_S``; from any thread. False, and nothing is kept,
        while nothing is recorded or before anything was."""
        blocked = self._paused or self._clock.now() < self._blocked_until_s
        if self._thread.gave_up or blocked or not self._anything:
            return False
        self._keep_at = self._keep_at or (self._last_t + AFTER_S, why)
        return True

    def pause(self, paused: bool) -> None:
        """Record nothing, and hold no frames and no encoder, until it is to go on."""
        self._paused = paused
        if paused:
            self._queue.put(self._end_part)

    def close(self) -> None:
        """Finish the part, within a second."""
        self._queue.put(None)
        self._thread.join(1.0)

    # -- the thread ---------------------------------------------------------------------------

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            self._try(task)
            if self._keep_at is not None and self._last_t >= self._keep_at[0]:
                self._try(self._keep_now)
        self._try(self._keep_now)
        self._try(self._end_part)

    def _try(self, task: Callable[[], None]) -> None:
        """After a failure make room, and record again later: the guiding does not depend on it."""
        try:
            task()
        except (OutputError, MemoryError) as error:
            self._log("recording_failed", level="error", problem=str(error) or "out of memory")
            self._blocked_until_s = self._clock.now() + _PAUSE_AFTER_ERROR_S
            with contextlib.suppress(OutputError):
                self._end_part()
            for part in parts(self._ring)[:-1]:
                remove(part)

    def _write(self, update: Update, frame: Frame | None) -> None:
        if self._clock.now() < self._blocked_until_s:
            return
        if frame is not None and isinstance(update, Step):
            self._last_t = frame.t
            part = self._part = self._part_for(frame)
            image = cv2.resize(frame.image, part.size[::-1], interpolation=cv2.INTER_AREA)
            part.video.frame(image, frame.t - part.t0)
            part.record(FRAMES, update.record().model_dump(mode="json"), frame.t)
        for event in update.events:
            if self._part is not None:
                self._part.record(EVENTS, event.model_dump(mode="json"), self._last_t)

    def _part_for(self, frame: Frame) -> RecordedPart:
        """The present part, or a new one when that is full or of other frames."""
        height, width = frame.image.shape[:2]
        scale = min(1.0, WIDTH_PX / width)
        size = (max(16, 2 * round(height * scale / 2)), max(16, 2 * round(width * scale / 2)))
        part = self._part
        if part is not None and part.size == size and 0 <= frame.t - part.t0 < PART_S:
            return part
        self._end_part()
        self._trim()
        self._number += 1
        part = RecordedPart(self._ring / f"part-{self._number:08d}", size, frame.t)
        self._anything = True
        return part

    def _end_part(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.video.close()

    def _keep_now(self) -> None:
        if self._keep_at is None:
            return
        (_, why), self._keep_at = self._keep_at, None
        self._end_part()
        moment = datetime.fromtimestamp(self._clock.wall(), UTC)
        target = self._keep / f"{moment:%Y%m%dT%H%M%S.%fZ}-{why}"
        self._anything = False
        if not (recent := self._recent()):
            raise OutputError("nothing was recorded that could be kept")
        try:
            with writing(target):
                target.mkdir(mode=0o700)
                for part in recent:
                    part.rename(target / part.name)
        except OutputError:
            with contextlib.suppress(OSError):  # not empty
                target.rmdir()
            raise
        self._log("recording_kept", folder=str(target), why=why)
        self._trim()

    def _recent(self) -> list[Path]:
        """The newest parts, by their length: a guide that began again ended its part early."""
        recent: list[Path] = []
        left_s = RING_S + AFTER_S
        for part in reversed(parts(self._ring)):
            if left_s > 0:
                recent.insert(0, part)
            left_s -= max(1.0, length_s(part))  # so that their number is bounded too
        return recent

    def _trim(self) -> None:
        """The ring to its length, everything to its size: kept recordings go oldest first."""
        recent = self._recent()
        for part in parts(self._ring):
            if part not in recent:
                remove(part)
        kept = parts(self._keep)
        sizes = {path: size_bytes(path) for path in (*kept, *recent)}
        over = sum(sizes.values()) - self._config.max_mb * 1_000_000
        for path in (*kept, *recent[:-1]):
            if over > 0:
                over -= sizes[path]
                remove(path)
                if path in kept:
                    self._log("recording_dropped", level="warning", folder=str(path), why="space")


def parts(folder: Path) -> list[Path]:
    """The parts or kept recordings in ``folder``, oldest first; nothing else there."""
    found = [path for path in folder.iterdir() if _OURS.fullmatch(path.name)]
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def length_s(part: Path) -> float:
    """Of a part, by its last whole record; 0 where there is none."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        *_, last = (part / FRAMES).read_bytes().splitlines()
        return float(json.loads(last)["t"])
    return 0.0


def size_bytes(path: Path) -> int:
    """Of a part or a recording."""
    with contextlib.suppress(OSError):
        return sum(file.stat().st_size for file in path.rglob("*"))
    return 0


def remove(path: Path) -> None:
    """Delete a part or a recording; files of others stay, and their folders with them."""
    with contextlib.suppress(OSError):
        for part in parts(path):
            remove(part)
        for name in (VIDEO, FRAMES, EVENTS, "info.json"):
            (path / name).unlink(missing_ok=True)
        path.rmdir()
