"""What a replay leaves behind: annotated.mp4, frames.jsonl, events.jsonl, summary.json.

Everything is written as it happens; a run that ends early keeps valid, playable files.
"""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from sonar.config import SonarConfig
from sonar.files import json_text, writing
from sonar.records import Step, Update, side_of
from sonar.replay.folder import write_whole
from sonar.replay.video import NAME as VIDEO
from sonar.replay.video import AnnotatedVideo
from sonar.types import SIDES, CueKind

SUMMARY_SCHEMA = "sonar.summary/1"


class ReplayWriter:
    """Consumes the steps of a run and writes its files into a folder.

    ``out`` must exist, without files of these names; ``rate_hz`` is the recording's nominal frame
    rate; ``video`` asks for ``annotated.mp4``.
    """

    def __init__(self, out: Path, config: SonarConfig, rate_hz: float, *, video: bool) -> None:
        self._out, self._config = out, config
        self._origin_t: float | None = None
        self._bands = {side: Counter[str]() for side in SIDES}
        self._sides, self._events, self._spoken = Counter[str](), Counter[str](), Counter[str]()
        self.frames = 0
        self._video = AnnotatedVideo(out / VIDEO, config, rate_hz) if video else None
        with writing(out):
            self._frames_file = (out / "frames.jsonl").open("w", encoding="utf-8", buffering=1)
            self._events_file = (out / "events.jsonl").open("w", encoding="utf-8", buffering=1)

    def consume(self, update: Update) -> None:
        """Raises OutputError when the disk is full or the folder is gone."""
        for event in update.events:
            self._write(self._events_file, event.model_dump_json())
            self._events[event.kind] += 1
            if event.kind == "speech" and event.text:
                self._spoken[event.text] += 1
                if self._video is not None and self._origin_t is not None:
                    self._video.caption(event.text, event.t + self._origin_t)
        if isinstance(update, Step):
            self._write_frame(update)

    def _write_frame(self, step: Step) -> None:
        frame, record = step.frame, step.record()
        if self._origin_t is None:
            self._origin_t = frame.t
        self._write(self._frames_file, record.model_dump_json())
        self.frames += 1
        for zone in step.scene.zones:
            self._bands[zone.side][zone.band] += 1
        if record.cue is not None and record.cue.kind is not CueKind.EARCON:
            self._sides[side_of(record.cue.pan)] += 1
        if self._video is not None:
            cue = None if record.cue is None else step.cue
            self._video.frame(frame.image, step.depth, step.scene, cue, frame.t - self._origin_t)

    def _write(self, file: TextIO, line: str) -> None:
        with writing(self._out):
            file.write(line + "\n")  # the file is flushed after each line

    def on_sound(self, samples: NDArray[np.float32]) -> None:
        """The next samples, float32 (n, 2), as the sink rendered them."""
        if self._video is not None:
            self._video.sound(samples)

    def close(self) -> None:
        """Finish the files; safe after a failure, and to call twice."""
        with writing(self._out), ExitStack() as stack:  # one that fails keeps no other open
            stack.callback(self._frames_file.close)
            stack.callback(self._events_file.close)
            if self._video is not None:
                stack.callback(self._video.close)

    def summary(self, **facts: Any) -> dict[str, Any]:
        """Write and return ``summary.json``: ``facts`` beside what was counted here."""
        document = {
            "schema": SUMMARY_SCHEMA,
            **facts,
            "frames": self.frames,
            "zones": {side: dict(sorted(bands.items())) for side, bands in self._bands.items()},
            "frames_heard_by_side": dict(sorted(self._sides.items())),
            "events": dict(sorted(self._events.items())),
            "spoken": dict(self._spoken.most_common()),
            "config": self._config.model_dump(mode="json"),
        }
        write_whole(self._out / "summary.json", json_text(document))
        return document
