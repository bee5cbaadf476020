"""What a replay leaves behind: annotated.mp4, frames.jsonl, events.jsonl, summary.json.

Everything is written as it happens; a run that ends early keeps valid, playable files.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from sonar.config import SonarConfig
from sonar.errors import OutputError
from sonar.records import Event, Step, Update
from sonar.replay.folder import write_json
from sonar.replay.video_thread import VideoThread
from sonar.types import Cue, CueKind, side_of

SUMMARY_SCHEMA = "sonar.summary/1"


class ReplayWriter:
    """Consumes the steps of a run and writes its files into a folder.

    Args:
        out: the folder; must exist, without files of these names.
        rate_hz: nominal frame rate of the recording.
        edges: borders of the zones, see :class:`~sonar.replay.annotate.Annotator`.
        video: write ``annotated.mp4`` too.
    """

    def __init__(
        self,
        out: Path,
        config: SonarConfig,
        rate_hz: float,
        edges: Callable[[int, int], tuple[float, float]],
        *,
        video: bool = True,
    ) -> None:
        self._out, self._config = out, config
        self._video: VideoThread | None = None
        self._origin_t: float | None = None
        self._bands: Counter[str] = Counter()
        self._nearest: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._spoken: Counter[str] = Counter()
        self.frames = 0
        try:
            self._frames_file: TextIO = (out / "frames.jsonl").open("w", encoding="utf-8")
            self._events_file: TextIO = (out / "events.jsonl").open("w", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot write to {out}: {error.strerror or error}") from error
        if video:
            self._video = VideoThread(out / "annotated.mp4", config, rate_hz, edges)

    def consume(self, update: Update) -> None:
        """Raises OutputError when the disk is full or the folder is gone."""
        for event in update.events:
            self._write_event(event)
        if isinstance(update, Step):
            self._write_frame(update)

    def _write_frame(self, step: Step) -> None:
        frame, record = step.frame, step.record()
        if self._origin_t is None:
            self._origin_t = frame.t
        self._write(self._frames_file, record.model_dump_json())
        self.frames += 1
        for zone in step.scene.zones:
            self._bands[f"{zone.side}:{zone.band}"] += 1
        if record.cue is not None and record.cue.kind is not CueKind.EARCON:
            self._nearest[side_of(record.cue.pan)] += 1
        if self._video is not None:
            cue = None
            if record.cue is not None:
                shown = record.cue
                cue = Cue(shown.kind, pan=shown.pan, rate_hz=shown.rate_hz, earcon=shown.earcon)
            self._video.frame(frame.image, step.depth, step.scene, cue, frame.t - self._origin_t)

    def _write_event(self, event: Event) -> None:
        self._write(self._events_file, event.model_dump_json())
        self._events[event.kind] += 1
        if event.kind == "speech" and event.text:
            self._spoken[event.text] += 1
            if self._video is not None and self._origin_t is not None:
                self._video.caption(event.text, event.t + self._origin_t)

    def on_sound(self, samples: NDArray[np.float32]) -> None:
        """The next samples, float32 (n, 2), as the sink rendered them."""
        if self._video is not None:
            self._video.sound(samples)

    def close(self) -> None:
        """Finish the files; safe after a failure."""
        try:
            if self._video is not None:
                self._video.close()
        finally:
            for file in (self._frames_file, self._events_file):
                try:
                    file.close()
                except OSError as error:  # the last lines did not fit
                    raise OutputError(f"cannot finish {file.name}: {error.strerror}") from error

    def summary(self, **facts: Any) -> dict[str, Any]:
        """Write and return ``summary.json``: ``facts`` beside what was counted here."""
        document = {
            "schema": SUMMARY_SCHEMA,
            **facts,
            "frames": self.frames,
            "zones": {
                side: {
                    key.split(":")[1]: count
                    for key, count in sorted(self._bands.items())
                    if key.startswith(side)
                }
                for side in ("left", "center", "right")
            },
            "frames_heard_by_side": dict(sorted(self._nearest.items())),
            "events": dict(sorted(self._events.items())),
            "spoken": dict(self._spoken.most_common()),
            "config": self._config.model_dump(mode="json"),
        }
        write_json(self._out / "summary.json", document)
        return document

    def _write(self, file: TextIO, line: str) -> None:
        try:
            file.write(line + "\n")
            file.flush()
        except OSError as error:
            raise OutputError(f"cannot write {file.name}: {error.strerror or error}") from error
