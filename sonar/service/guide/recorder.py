"""The last minutes, kept when something happened. Off unless the user turns it on.

A ring of segments on disk; a danger or a button keeps the ring and what follows as a recording
that ``sonar replay`` reads. All writing happens in a thread; when it cannot keep up, or the disk
is full, frames are left out and the guiding goes on.
"""

import queue
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.config import RecordingConfig
from sonar.errors import OutputError
from sonar.ports import Clock
from sonar.records import Event, FrameRecord, Step, Update
from sonar.service.guide import segments
from sonar.service.guide.segments import Segment
from sonar.threads import GuardedThread
from sonar.types import CueKind, Frame, Priority

RING_S = 120.0  # of the past
AFTER_S = 10.0  # kept after the event
KEEP_AGAIN_S = 60.0  # a danger does not keep it again sooner
WIDTH_PX, RATE_HZ = 480, 10.0  # of the recorded frames, at most
SEGMENT_S = 5.0
SYNC_S = 1.0
_FRAMES_WAITING = 12  # for the thread; each may be a megabyte
_EVENTS_WAITING = 64
_PAUSE_AFTER_ERROR_S = 30.0
_CLOSE_S = 1.0

Log = Callable[..., None]


class Recorder:
    """Consumes steps. ``folder`` is made if needed; raises OutputError where it cannot be.

    Attributes:
        paused: nothing is recorded for now.
        skipped: frames left out because writing was too slow or failed.
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
            segments.remove_recording(left)  # a crash while joining: the ring has it all
        segments.mend(self._ring)
        self._number = 1 + max(map(segments.number_of, segments.stems(self._ring)), default=-1)
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._next_t = self._danger_t = float("-inf")
        # From here on the thread's.
        self._last_t = 0.0
        self._early: deque[Event] = deque(maxlen=_EVENTS_WAITING)  # while no segment is open
        self._segment: Segment | None = None
        self._segment_size = (0, 0)
        self._synced_s = clock.now()
        self._blocked_until_s = float("-inf")
        self._keep_at: tuple[float, str] | None = None  # source time at which the ring is kept
        self._thread = GuardedThread("recorder", self._work, announce=self._announce, clock=clock)
        self._thread.start()

    def consume(self, update: Update) -> None:
        """Take events and frames; never waits."""
        if self._queue.qsize() < _FRAMES_WAITING + _EVENTS_WAITING:
            for event in update.events:
                self._queue.put(partial(self._early.append, event))
        if isinstance(update, Step):
            self._take(update)

    def keep(self, why: str) -> bool:
        """Keep the ring, with what happens in the next ``AFTER_S``; from any thread.

        False where nothing is recorded any more.
        """
        self._queue.put(lambda: self._keep_soon(why))
        return not self._thread.gave_up

    def pause(self, paused: bool) -> None:
        """Record nothing, and hold no frames and no encoder, until it is to go on."""
        if paused and not self.paused:
            self._queue.put(self._end_segment)
        self.paused = paused

    def close(self) -> None:
        """Finish the segment; waits at most about a second."""
        self._queue.put(None)
        self._thread.join(_CLOSE_S)

    def _take(self, step: Step) -> None:
        cue, frame = step.cue, step.frame
        danger = cue.priority >= Priority.DANGER and cue.kind is not CueKind.SILENCE
        again = frame.t - self._danger_t >= KEEP_AGAIN_S
        if danger and again:
            self._danger_t = frame.t
            self.keep("danger")
        if frame.t < self._next_t or self.paused:
            return
        self._next_t = max(self._next_t, frame.t - 1.0) + 1.0 / RATE_HZ
        if self._queue.qsize() < _FRAMES_WAITING:
            self._queue.put(lambda: self._write(step.record(), frame))
        else:
            self.skipped += 1

    # -- the thread ---------------------------------------------------------------------------

    def _announce(self, problem: str, gave_up: bool) -> None:
        event = "recording_off" if gave_up else "recording_failed"
        self._log(event, level="error", problem=problem)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            try:
                task()
                self._write_events()
                if self._keep_at is not None and self._last_t >= self._keep_at[0]:
                    self._keep_now()
            except OutputError as error:
                self._failed(error)
            except MemoryError:
                self._failed(OutputError("cannot record: out of memory"))
        if self._keep_at is not None:
            self._keep_now()
        self._end_segment()

    def _write(self, record: FrameRecord, frame: Frame) -> None:
        now, self._last_t = self._clock.now(), frame.t
        if now < self._blocked_until_s:
            self.skipped += 1
            return
        height, width = _size(frame.image.shape[0], frame.image.shape[1], WIDTH_PX)
        segment = self._segment
        if segment is not None and (
            not 0.0 <= frame.t - segment.t0 < SEGMENT_S or (height, width) != self._segment_size
        ):
            self._end_segment()
            self._trim()
            segment = None
        if segment is None:
            stem = segments.stem_for(self._ring, self._number)
            self._number += 1
            segment = Segment(stem, height, width, RATE_HZ, frame.t)
            self._segment, self._segment_size = segment, (height, width)
        segment.write(_resized(frame.image, height, width), frame.t)
        values = record.model_dump(mode="json", by_alias=True)
        segment.record("frame", values, frame.t)
        if now - self._synced_s >= SYNC_S:
            self._synced_s = now
            segment.sync()

    def _write_events(self) -> None:
        while self._early and self._segment is not None:
            values = self._early.popleft().model_dump(mode="json", by_alias=True)
            self._segment.record("event", values, self._last_t)

    def _end_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.close()
            except OutputError as error:
                self._failed(error)

    def _failed(self, error: OutputError) -> None:
        """Make room and try again later: the guiding does not depend on the recording."""
        self._log("recording_failed", level="error", problem=str(error))
        self._blocked_until_s = self._clock.now() + _PAUSE_AFTER_ERROR_S
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.close()
            except OutputError:
                segments.remove(segment.stem)
        for stem in segments.stems(self._ring)[:-2]:
            segments.remove(stem)

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
        try:
            segments.join(parts, target, {"why": why, "kept_at_s": round(wall_s, 3)})
        except OutputError as error:
            self._failed(error)
            return
        self.kept += 1
        self._log("recording_kept", folder=str(target), why=why, segments=len(parts))
        self._trim()

    def _recent(self) -> list[Path]:
        count = 1 + int((RING_S + AFTER_S) / SEGMENT_S)
        return segments.stems(self._ring)[-count:]

    def _trim(self) -> None:
        """The ring to its length, everything to its size: kept recordings go oldest first."""
        recent = set(self._recent())
        for stem in segments.stems(self._ring):
            if stem not in recent:
                segments.remove(stem)
        kept, ring = segments.recordings(self._keep), segments.stems(self._ring)
        sizes = {path: segments.size_bytes(path) for path in (*kept, *ring)}
        over = sum(sizes.values()) - self._config.max_mb * 1_000_000
        for path in (*kept, *ring[:-1]):
            if over <= 0:
                return
            over -= sizes[path]
            if path in kept:
                segments.remove_recording(path)
                self._log("recording_dropped", level="warning", folder=str(path), why="space")
            else:
                segments.remove(path)


def _size(height: int, width: int, most_px: int) -> tuple[int, int]:
    scale = min(1.0, most_px / width)
    return max(16, 2 * round(height * scale / 2)), max(16, 2 * round(width * scale / 2))


def _resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return image
    import cv2

    resized: NDArray[np.uint8] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return resized
