"""The last minutes, kept when something happened. Off unless the user turns it on.

A ring of segments on disk; a danger or a button keeps the ring and what follows as a recording
that ``sonar replay`` reads. All writing happens in a thread; when it cannot keep up, or the disk
is full, frames are left out and the guiding goes on.
"""

import queue
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.config import RecordingConfig
from sonar.errors import OutputError
from sonar.ports import Clock
from sonar.records import Step, Update
from sonar.service.guide import segments
from sonar.service.guide.segments import Segment
from sonar.threads import GuardedThread
from sonar.types import CueKind, Frame, Priority

RING_S = 120.0  # of the past
AFTER_S = 10.0  # kept after the event
KEEP_AGAIN_S = 60.0  # a danger does not keep it again sooner
WIDTH_PX, RATE_HZ = 480, 10.0  # of the recorded frames, at most
SEGMENT_S = 5.0
_WAITING = 12  # updates for the thread; each may be a megabyte
_PAUSE_AFTER_ERROR_S = 30.0
_CLOSE_S = 1.0

Log = Callable[..., None]


class Recorder:
    """Consumes steps. ``folder`` is made if needed; raises OutputError where it cannot be.

    Attributes:
        paused: nothing is recorded for now.
        skipped: updates left out because writing was too slow or failed.
        kept: recordings made since the start.
    """

    def __init__(self, config: RecordingConfig, folder: Path, clock: Clock, log: Log) -> None:
        self.paused = False
        self.skipped = 0
        self.kept = 0
        self._config = config
        self._ring, self._keep = folder / "ring", folder / "kept"
        self._clock, self._log = clock, log
        try:
            for path in (self._ring, self._keep):
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise OutputError(f"cannot record in {folder}: {error.strerror or error}") from error
        for left in segments.recordings(self._keep, ".part"):
            segments.remove(left)  # a crash while joining: the ring has it all
        newest = segments.stems(self._ring)[-1:]
        self._number = 1 + int(newest[0].name.removeprefix("seg-")) if newest else 0
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._next_t = self._danger_t = float("-inf")
        # From here on the thread's.
        self._last_t = 0.0
        self._segment: Segment | None = None
        self._blocked_until_s = float("-inf")
        self._keep_at: tuple[float, str] | None = None  # source time at which the ring is kept
        self._thread = GuardedThread("recorder", self._work, announce=self._announce, clock=clock)
        self._thread.start()

    def consume(self, update: Update) -> None:
        """Take events and frames; never waits."""
        frame = None
        if isinstance(update, Step):
            t, cue = update.frame.t, update.cue
            danger = cue.priority >= Priority.DANGER and cue.kind is not CueKind.SILENCE
            if danger and t - self._danger_t >= KEEP_AGAIN_S:
                self._danger_t = t
                self.keep("danger")
            if t >= self._next_t:
                self._next_t = max(self._next_t, t - 1.0) + 1.0 / RATE_HZ
                frame = update.frame
        if self.paused or (frame is None and not update.events):
            return
        if self._queue.qsize() < _WAITING:
            self._queue.put(lambda: self._write(update, frame))
        else:
            self.skipped += 1

    def keep(self, why: str) -> bool:
        """Keep the ring, with what happens in the next ``AFTER_S``; from any thread.

        False where nothing is recorded any more.
        """
        self._queue.put(lambda: self._keep_soon(why))
        return not self._thread.gave_up

    def pause(self, paused: bool) -> None:
        """Record nothing, and hold no frames and no encoder, until it is to go on."""
        self.paused = paused
        if paused:
            self._queue.put(self._end_segment)

    def close(self) -> None:
        """Finish the segment; waits at most about a second."""
        self._queue.put(None)
        self._thread.join(_CLOSE_S)

    # -- the thread ---------------------------------------------------------------------------

    def _announce(self, problem: str, gave_up: bool) -> None:
        event = "recording_off" if gave_up else "recording_failed"
        self._log(event, level="error", problem=problem)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            self._try(task)
            if self._keep_at is not None and self._last_t >= self._keep_at[0]:
                self._try(self._keep_now)
        if self._keep_at is not None:
            self._try(self._keep_now)
        self._try(self._end_segment)

    def _try(self, task: Callable[[], None]) -> None:
        """After a failure make room, and record again later: the guiding does not depend on it."""
        try:
            task()
        except (OutputError, MemoryError) as error:
            self._log("recording_failed", level="error", problem=str(error) or "out of memory")
            self._blocked_until_s = self._clock.now() + _PAUSE_AFTER_ERROR_S
            segment, self._segment = self._segment, None
            if segment is not None:
                try:
                    segment.close()
                except OutputError:
                    segments.remove(segment.stem)
            for stem in segments.stems(self._ring)[:-2]:
                segments.remove(stem)

    def _write(self, update: Update, frame: Frame | None) -> None:
        if self._clock.now() < self._blocked_until_s:
            self.skipped += 1
            return
        if frame is not None and isinstance(update, Step):
            self._last_t = frame.t
            segment = self._segment_for(frame)
            segment.video.frame(_resized(frame.image, *segment.size), frame.t - segment.t0)
            segment.record("frame", update.record().model_dump(mode="json"), frame.t)
        if self._segment is not None:
            for event in update.events:
                self._segment.record("event", event.model_dump(mode="json"), self._last_t)

    def _segment_for(self, frame: Frame) -> Segment:
        """The present segment, or a new one when that is full or of other frames."""
        height, width = frame.image.shape[:2]
        scale = min(1.0, WIDTH_PX / width)
        size = (max(16, 2 * round(height * scale / 2)), max(16, 2 * round(width * scale / 2)))
        segment = self._segment
        if segment is None or segment.size != size or not 0 <= frame.t - segment.t0 < SEGMENT_S:
            self._end_segment()
            self._trim()
            stem = self._ring / f"seg-{self._number:08d}"
            self._number += 1
            segment = self._segment = Segment(stem, *size, RATE_HZ, frame.t)
        return segment

    def _end_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()

    def _keep_soon(self, why: str) -> None:
        if self._keep_at is None:
            self._keep_at = (self._last_t + AFTER_S, why)

    def _keep_now(self) -> None:
        assert self._keep_at is not None
        (_, why), self._keep_at = self._keep_at, None
        self._end_segment()
        parts, wall_s = self._recent(), self._clock.wall()
        stamp = datetime.fromtimestamp(wall_s, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        target = self._keep / f"{stamp}-{why}"
        segments.join(parts, target, {"why": why, "kept_at_s": round(wall_s, 3)})
        self.kept += 1
        self._log("recording_kept", folder=str(target), why=why, segments=len(parts))
        self._trim()

    def _recent(self) -> list[Path]:
        return segments.stems(self._ring)[-1 - int((RING_S + AFTER_S) / SEGMENT_S) :]

    def _trim(self) -> None:
        """The ring to its length, everything to its size: kept recordings go oldest first."""
        recent = self._recent()
        for stem in segments.stems(self._ring):
            if stem not in recent:
                segments.remove(stem)
        kept = segments.recordings(self._keep)
        sizes = {path: segments.size_bytes(path) for path in (*kept, *recent)}
        over = sum(sizes.values()) - self._config.max_mb * 1_000_000
        for path in (*kept, *recent[:-1]):
            if over <= 0:
                return
            over -= sizes[path]
            segments.remove(path)
            if path in kept:
                self._log("recording_dropped", level="warning", folder=str(path), why="space")


def _resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return image
    import cv2

    resized: NDArray[np.uint8] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return resized
