"""A running sonar of this user, seen and told things through its control socket."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sonar.controls.listen.socket_server import (
    choose_instance,
    instance_of,
    running_instances,
    send,
)
from sonar.controls.view import SCHEMA, WIDTH_PX
from sonar.errors import DeviceError, SonarError
from sonar.replay.annotate import Annotator
from sonar.replay.video import even_size
from sonar.types import (
    SIDES,
    Band,
    Cue,
    CueKind,
    Height,
    Reason,
    RgbImage,
    Scene,
    Side,
    State,
    ZoneReading,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look.

    Attributes:
        told: ``sonar.controls.view/1`` as a mapping.
        picture: the camera's newest picture with the zones drawn in, uint8 (H, W, 3) RGB, or
            None where pictures are off or none came yet.
    """

    told: Mapping[str, Any]
    picture: RgbImage | None


def instances() -> list[str]:
    """Process numbers of this user's running sonars, oldest first."""
    return [instance_of(path) for path in running_instances()]


def look(instance: str | None) -> Seen:
    """What the one that runs, or the one named, sees and sounds now. Raises SonarError."""
    verdict, _, line = send(choose_instance(instance), "view").partition(" ")
    try:
        told = json.loads(line)
        if verdict != "ok" or told["schema"] != SCHEMA:
            raise ValueError(verdict)
        return Seen(told, _picture(told))
    except (ValueError, KeyError, TypeError, cv2.error) as error:
        raise DeviceError("the running sonar is another version; it shows nothing here") from error


def command(instance: str | None, words: str) -> str:
    """Do what ``sonar control`` does; one sentence, also about what went wrong."""
    try:
        verdict, _, told = send(choose_instance(instance), words).partition(" ")
    except SonarError as error:
        return f"Not done: {error}."
    return f"Done: {told}." if verdict == "ok" else f"Not done: {told}."


def _picture(told: Mapping[str, Any]) -> RgbImage | None:
    if told["picture"] is None:
        return None
    coded = np.frombuffer(base64.b64decode(told["picture"]), np.uint8)
    image = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    left, right = told["borders"]
    size = even_size(image.shape[0], image.shape[1], WIDTH_PX)
    annotator = Annotator(*size, lambda height, width: (left, right), 0.0)
    return annotator.draw(np.asarray(image, np.uint8), None, _scene(told), _cue(told))


def _scene(told: Mapping[str, Any]) -> Scene:
    left, center, right = (_zone(side, told["zones"][side]) for side in SIDES)
    return Scene(
        -1,
        told["t"],
        left,
        center,
        right,
        drop_off=told["drop_off"],
        state=State(told["state"]),
        reason=None if told["reason"] is None else Reason(told["reason"]),
    )


def _zone(side: Side, told: Mapping[str, Any]) -> ZoneReading:
    height = told["height"]
    return ZoneReading(
        side,
        Band(told["band"]),
        told["proximity"],
        told["distance_m"],
        told["distance_sigma_m"],
        told["ttc_s"],
        None if height is None else Height(height),
    )


def _cue(told: Mapping[str, Any]) -> Cue | None:
    cue = told["cue"]
    if cue is None or cue["kind"] == CueKind.SCAN:  # a scan has no one place
        return None
    return Cue(CueKind(cue["kind"]), pan=cue["pan"], rate_hz=cue["rate_hz"], earcon=cue["earcon"])
