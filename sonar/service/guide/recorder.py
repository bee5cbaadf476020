"""The last minutes, kept when something happened. Off unless asked for.

A ring of segments on disk; a danger or a button keeps the ring and what follows as a recording
that ``sonar replay`` reads. All writing happens in a thread; when it cannot keep up, or the disk
is full, pictures are left out and the guiding goes on.
"""

import queue
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.config import RecordingConfig
from sonar.errors import OutputError
from sonar.pipeline import Step, Update
from sonar.ports import Clock
from sonar.records import Event, FrameRecord
from sonar.service.guide import segments
from sonar.service.guide.segments import Segment
from sonar.threads import GuardedThread
from sonar.types import CueKind, Frame, Priority

SEGMENT_S = 5.0
SYNC_S = 1.0
_QUEUE = 12  # pictures waiting for the thread; each may be a megabyte
_PAUSE_AFTER_ERROR_S = 30.0
_CLOSE_S = 1.0

Log = Callable[..., None]
Item = tuple[str, Any, Any]


class Recorder:
    """Consumes the steps of a run and records.

    ``folder`` is made if needed; raises OutputError where it cannot be.

    Attributes:
        paused: nothing is recorded for now.
        skipped: pictures left out because writing was too slow or failed.
        kept: recordings made since the start.
    """

    def __init__(self, config: RecordingConfig, folder: Path, clock: Clock, log: Log) -> None:
        self.paused = False
        self.skipped = 0
        self.kept = 0
        self._config = config
        self._ring = folder / "ring"
        self._keep = folder / "kept"
        self._clock = clock
        self._log = log
        try:
            for path in (self._ring, self._keep):
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise OutputError(f"cannot record in {folder}: {error.strerror or error}") from error
        for left in segments.recordings(self._keep, ".part"):
            segments.remove_recording(left)  # a crash while joining: the ring has it all
        segments.mend(self._ring)
        self._number = 1 + max(map(segments.number_of, segments.stems(self._ring)), default=-1)
        self._queue: queue.Queue[Item | None] = queue.Queue(_QUEUE)
        # Why, and after how many items: what came before the wish belongs to the recording.
        self._wanted: deque[tuple[str, int]] = deque(maxlen=8)
        self._put_count = 0
        self._early: deque[Event] = deque(maxlen=64)  # events while no segment is open
        self._next_t = float("-inf")
        self._danger_t = float("-inf")
        self._segment: Segment | None = None
        self._segment_size = (0, 0)
        self._synced_s = clock.now()
        self._blocked_until_s = float("-inf")
        self._keep_at: tuple[float, str] | None = None  # source time at which the ring is kept
        self._last_t, self._done = 0.0, 0  # of the thread: source time, items taken
        self._thread = GuardedThread("recorder", self._work, announce=self._announce, clock=clock)
        self._thread.start()

    def consume(self, update: Update) -> None:
        """Take events and frames; never waits."""
        for event in update.events:
            self._put(("event", event, None))
        if isinstance(update, Step):
            self._take(update)

    def _take(self, step: Step) -> None:
        cue, frame = step.cue, step.frame
        danger = cue.priority >= Priority.DANGER and cue.kind is not CueKind.SILENCE
        again = frame.t - self._danger_t >= self._config.keep_again_s
        if danger and again and self._config.keep_on_danger:
            self._danger_t = frame.t
            self.keep("danger")
        if frame.t >= self._next_t and not self.paused:
            self._next_t = max(self._next_t, frame.t - 1.0) + 1.0 / self._config.rate_hz
            self._put(("frame", step.record(), frame))

    def keep(self, why: str) -> bool:
        """Keep the ring, with what happens in the next ``after_s``; from any thread.

        False where nothing is recorded any more.
        """
        self._wanted.append((why, self._put_count))  # beside the queue, which may be full
        return not self._thread.gave_up

    def pause(self, paused: bool) -> None:
        """Record nothing, and hold no pictures and no encoder, until told to go on."""
        if paused and not self.paused:
            self._put(("pause", None, None))
        self.paused = paused

    def close(self) -> None:
        """Finish the segment; waits at most about a second."""
        try:
            self._queue.put(None, timeout=0.2)
        except queue.Full:
            return
        self._thread.join(_CLOSE_S)

    def _put(self, item: Item) -> None:
        try:
            self._queue.put_nowait(item)
            self._put_count += 1
        except queue.Full:
            self.skipped += 1

    # -- the thread ---------------------------------------------------------------------------

    def _announce(self, problem: str, gave_up: bool) -> None:
        self._log(
            "recording_off" if gave_up else "recording_failed", level="error", problem=problem
        )

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            kind, what, more = item
            self._done += 1
            try:
                if kind == "frame":
                    self._last_t = more.t
                    self._write(what, more)
                elif kind == "pause":
                    self._end_segment()
                else:
                    self._early.append(what)
                self._write_events(self._last_t)
                if self._wanted and self._keep_at is None and self._done >= self._wanted[0][1]:
                    self._keep_at = (self._last_t + self._config.after_s, self._wanted.popleft()[0])
                    self._wanted.clear()
                if self._keep_at is not None and self._last_t >= self._keep_at[0]:
                    self._keep_now()
            except OutputError as error:
                self._failed(error)
            except MemoryError:
                self._failed(OutputError("cannot record: out of memory"))
        self._end_segment()
        if self._keep_at is not None or self._wanted:
            self._join(self._keep_at[1] if self._keep_at else self._wanted[0][0])

    def _write(self, record: FrameRecord, frame: Frame) -> None:
        now = self._clock.now()
        if now < self._blocked_until_s:
            self.skipped += 1
            return
        height, width = _size(frame.image.shape[0], frame.image.shape[1], self._config.width_px)
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
            segment = Segment(stem, height, width, self._config.rate_hz, frame.t)
            self._segment, self._segment_size = segment, (height, width)
        segment.picture(_resized(frame.image, height, width), frame.t)
        values = record.model_dump(mode="json", by_alias=True)
        values["t"] = round(frame.t - segment.t0, 6)
        segment.record("frame", values)
        if now - self._synced_s >= SYNC_S:
            self._synced_s = now
            segment.sync()

    def _write_events(self, t: float) -> None:
        while self._early and self._segment is not None:
            values = self._early.popleft().model_dump(mode="json", by_alias=True)
            values["t"] = round(max(0.0, t - self._segment.t0), 6)
            self._segment.record("event", values)

    def _end_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.close()
            except OutputError as error:
                self._failed(error)

    def _failed(self, error: OutputError) -> None:
        """Make room, tell, and try again later: recording is not what people walk by."""
        self._log("recording_failed", level="error", problem=str(error))
        self._blocked_until_s = self._clock.now() + _PAUSE_AFTER_ERROR_S
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.close()
            except OutputError:
                segments.remove(segment.stem)
        oldest = segments.stems(self._ring)[:-2]
        for stem in oldest:
            segments.remove(stem)

    def _keep_now(self) -> None:
        assert self._keep_at is not None
        why = self._keep_at[1]
        self._keep_at = None
        self._end_segment()
        self._join(why)

    def _join(self, why: str) -> None:
        parts = self._recent()
        wall_s = self._clock.wall()
        stamp = _stamp(wall_s)
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
        count = 1 + int((self._config.ring_s + self._config.after_s) / SEGMENT_S)
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


def _stamp(wall_s: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
