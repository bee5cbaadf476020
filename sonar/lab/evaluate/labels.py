"""Recordings with labels: what was really there, and when, as people or the simulator wrote it.

A label file lies beside its recording: ``events_truth.yaml`` beside ``video.mp4`` (or any other
video called ``video``), or ``NAME.truth.yaml`` beside ``NAME.mp4``::

    schema: sonar.truth/1
    fps: 30
    mount: {height_m: 1.4, pitch_deg: 10}     # optional, as it was filmed
    events:
      - {from_s: 3.0, to_s: 5.2, kind: obstacle, side: left, nearest_m: 0.6, contact_s: 5.1}
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sonar.config import MountConfig, SonarConfig
from sonar.errors import SourceError
from sonar.replay.batch import VIDEO_SUFFIXES

FOLDER_LABELS = "events_truth.yaml"
FOLDER_VIDEO = "video"
LABEL_SUFFIX = ".truth.yaml"
NEAR_M = 1.5  # what stays farther away needs no warning

_Number = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Kind = Literal["obstacle", "drop", "person", "head"]


class TruthEvent(BaseModel, extra="ignore", frozen=True):
    """Something that needs a warning.

    Attributes:
        from_s, to_s: when it is in the way, in seconds of the recording.
        nearest_m: how near it comes.
        contact_s: when it would be, or is, touched; None where it is passed by.
    """

    from_s: _Number
    to_s: _Number
    kind: Kind
    side: Literal["left", "center", "right"]
    nearest_m: _Number | None = None
    contact_s: _Number | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "TruthEvent":
        if self.from_s > self.to_s:
            raise ValueError("from_s is after to_s")
        if self.contact_s is not None and self.contact_s < self.from_s:
            raise ValueError("contact_s is before from_s")
        return self

    @property
    def needs_warning(self) -> bool:
        """Whether it comes near enough, or that is not known."""
        return self.contact_s is not None or self.nearest_m is None or self.nearest_m < NEAR_M

    @property
    def until_s(self) -> float:
        """A warning that begins later is too late."""
        return self.to_s if self.contact_s is None else min(self.to_s, self.contact_s)


class Truth(BaseModel):
    """A label file."""

    model_config = ConfigDict(extra="ignore", frozen=True, serialize_by_alias=True)

    schema_: Annotated[Literal["sonar.truth/1"], Field(alias="schema")]
    fps: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    mount: dict[str, Any] = {}
    events: tuple[TruthEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording with its labels. ``name`` is unique in an evaluation."""

    name: str
    video: Path
    truth: Truth

    def config(self, base: SonarConfig) -> SonarConfig:
        """``base``, with the camera as it was filmed unless ``base`` says more than the default."""
        if not self.truth.mount or base.mount != SonarConfig().mount:
            return base
        try:
            mount = MountConfig.model_validate(self.truth.mount)
        except ValidationError as error:
            raise SourceError(f"labels of {self.video}: mount: {_first(error)}") from error
        return base.model_copy(update={"mount": mount})


def find_clips(path: Path) -> list[Clip]:
    """The labeled recordings of ``path``: a video, a folder of them, or a folder of folders.

    Raises:
        SourceError: a label file that is wrong, or has no recording beside it.
    """
    if not path.is_file():
        folders = [path, *sorted(inner for inner in path.iterdir() if inner.is_dir())]
        return [clip for folder in folders for clip in _in_folder(folder)]
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        return []
    labels = path.with_name(path.stem + LABEL_SUFFIX)
    if path.stem == FOLDER_VIDEO and not labels.is_file():
        labels = path.with_name(FOLDER_LABELS)
    if not labels.is_file():
        raise SourceError(f"{path} has no labels: {path.stem}{LABEL_SUFFIX} is not beside it.")
    return [_clip(labels, path)]


def _in_folder(folder: Path) -> list[Clip]:
    found = []
    for labels in sorted(folder.glob("*.yaml")):
        if labels.name == FOLDER_LABELS:
            stem = FOLDER_VIDEO
        elif labels.name.endswith(LABEL_SUFFIX):
            stem = labels.name.removesuffix(LABEL_SUFFIX)
        else:
            continue
        videos = [
            video
            for video in sorted(folder.iterdir())
            if video.stem == stem and video.suffix.lower() in VIDEO_SUFFIXES
        ]
        if not videos:
            raise SourceError(f"{labels} has no recording beside it: {stem}.mp4 is missing.")
        found.append(_clip(labels, videos[0]))
    return found


def _clip(labels: Path, video: Path) -> Clip:
    name = video.resolve().parent.name if labels.name == FOLDER_LABELS else video.stem
    return Clip(name, video, read_truth(labels))


def name_apart(clips: Sequence[Clip]) -> list[Clip]:
    """Clips with names of their own: a second of a name gets a number."""
    found: dict[str, Clip] = {}
    for clip in clips:
        name, number = clip.name, 1
        while name in found:
            number += 1
            name = f"{clip.name}_{number}"
        found[name] = replace(clip, name=name)
    return list(found.values())


def read_truth(path: Path) -> Truth:
    """A label file. Raises SourceError naming what is wrong in it."""
    try:
        return Truth.model_validate(_yaml(path))
    except ValidationError as error:
        raise SourceError(f"{path}: {_first(error)}") from error


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise SourceError(f"{path} is not YAML: {error}") from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where or 'the file'}: {first['msg']}."
