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
from sonar.errors import OutputError
from sonar.records import Step, Update, side_of
from sonar.replay.annotate import Borders
from sonar.replay.folder import write_json
from sonar.replay.video import NAME as VIDEO
from sonar.replay.video import AnnotatedVideo
from sonar.types import SIDES, CueKind

SUMMARY_SCHEMA = "sonar.summary/1"


class ReplayWriter:
    """Consumes the steps of a run and writes its files into a folder.

    Args:
        out: the folder; must exist, without files of these names.
        rate_hz: nominal frame rate of the recording.
        borders: see :class:`~sonar.replay.annotate.Annotator`.
        video: write ``annotated.mp4`` too.
    """

    def __init__(
        self, out: Path, config: SonarConfig, rate_hz: float, borders: Borders, *, video: bool
    ) -> None:
        self._out, self._config = out, config
        self._origin_t: float | None = None
        self._bands = {side: Counter[str]() for side in SIDES}
        self._sides: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._spoken: Counter[str] = Counter()
        self.frames = 0
        self._video = AnnotatedVideo(out / VIDEO, config, rate_hz, borders) if video else None
        try:
            self._frames_file: TextIO = (out / "frames.jsonl").open("w", encoding="utf-8")
            self._events_file: TextIO = (out / "events.jsonl").open("w", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot write to {out}: {error.strerror or error}") from error

    def consume(self, update: Update) -> None:
        """Raises OutputError when the disk is full or the folder is gone."""
        for event in update.events:
            _write(self._events_file, event.model_dump_json())
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
        _write(self._frames_file, record.model_dump_json())
        self.frames += 1
        for zone in step.scene.zones:
            self._bands[zone.side][zone.band] += 1
        if record.cue is not None and record.cue.kind is not CueKind.EARCON:
            self._sides[side_of(record.cue.pan)] += 1
        if self._video is not None:
            cue = None if record.cue is None else step.cue
            self._video.frame(frame.image, step.depth, step.scene, cue, frame.t - self._origin_t)

    def on_sound(self, samples: NDArray[np.float32]) -> None:
        """The next samples, float32 (n, 2), as the sink rendered them."""
        if self._video is not None:
            self._video.sound(samples)

    def close(self) -> None:
        """Finish the files; safe after a failure."""
        with ExitStack() as stack:  # one that fails keeps no other open
            for file in (self._frames_file, self._events_file):
                stack.callback(_finish, file)
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
        write_json(self._out / "summary.json", document)
        return document


def _write(file: TextIO, line: str) -> None:
    try:
        file.write(line + "\n")
        file.flush()
    except OSError as error:
        raise OutputError(f"cannot write {file.name}: {error.strerror or error}") from error


def _finish(file: TextIO) -> None:
    try:
        file.close()
    except OSError as error:  # the last lines did not fit
        raise OutputError(f"cannot finish {file.name}: {error.strerror}") from error
