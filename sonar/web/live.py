"""Watch and control a running sonar of this user, through its control socket."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sonar.controls.control_socket import (
    choose_instance,
    instance_of,
    running_instances,
    send,
)
from sonar.controls.view import SCHEMA, WIDTH_PX
from sonar.errors import DeviceError, SonarError
from sonar.replay.annotate import Annotator, even_size
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
class LiveView:
    """What a running sonar reported at one moment.

    Attributes:
        report: the record ``sonar.view/1`` as a mapping.
        image: the newest frame with the zones drawn in, uint8 (H, W, 3) RGB, or None where
            images are off or no frame has come yet.
    """

    report: Mapping[str, Any]
    image: RgbImage | None


def instances() -> list[str]:
    """Process numbers of this user's running sonars, oldest first."""
    return [instance_of(path) for path in running_instances()]


def look(instance: str | None) -> LiveView:
    """What the one that runs, or the one named, sees and sounds now. Raises SonarError."""
    verdict, _, line = send(choose_instance(instance), "view").partition(" ")
    try:
        report = json.loads(line)
        if verdict != "ok" or report["schema"] != SCHEMA:
            raise ValueError(verdict)
        return LiveView(report, _image(report))
    except (ValueError, KeyError, TypeError, cv2.error) as error:
        raise DeviceError("the running sonar is another version; it shows nothing here") from error


def command(instance: str | None, words: str) -> str:
    """Do what ``sonar control`` does; one sentence, also about what went wrong."""
    try:
        verdict, _, answer = send(choose_instance(instance), words).partition(" ")
    except SonarError as error:
        return f"Not done: {error}."
    return f"Done: {answer}." if verdict == "ok" else f"Not done: {answer}."


def _image(report: Mapping[str, Any]) -> RgbImage | None:
    if report["picture"] is None:
        return None
    coded = np.frombuffer(base64.b64decode(report["picture"]), np.uint8)
    image = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    left, right = report["borders"]
    size = even_size(image.shape[0], image.shape[1], WIDTH_PX)
    annotator = Annotator(size, lambda height, width: (left, right), 0.0)
    return annotator.draw(np.asarray(image, np.uint8), None, _scene(report), _cue(report))


def _scene(report: Mapping[str, Any]) -> Scene:
    left, center, right = (_zone(side, report["zones"][side]) for side in SIDES)
    return Scene(
        -1,
        report["t"],
        left,
        center,
        right,
        drop_off=report["drop_off"],
        state=State(report["state"]),
        reason=None if report["reason"] is None else Reason(report["reason"]),
    )


def _zone(side: Side, report: Mapping[str, Any]) -> ZoneReading:
    height = report["height"]
    return ZoneReading(
        side,
        Band(report["band"]),
        report["proximity"],
        report["distance_m"],
        report["distance_sigma_m"],
        report["ttc_s"],
        None if height is None else Height(height),
    )


def _cue(report: Mapping[str, Any]) -> Cue | None:
    cue = report["cue"]
    if cue is None or cue["kind"] == CueKind.SCAN:  # a scan has no one place
        return None
    return Cue(CueKind(cue["kind"]), pan=cue["pan"], rate_hz=cue["rate_hz"], earcon=cue["earcon"])
