"""What a sighted helper may look at while sonar guides: the newest zones, sound and words.

Nothing is made until somebody asks, and asking never holds up the loop: it keeps references to
what has passed, and whoever asks does the work in a thread of their own.
"""

import base64
import json
import math
from collections import deque
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from sonar.audio.cues import describe
from sonar.config import SonarConfig
from sonar.ports import Clock
from sonar.records import Event, Step, Update, ZonesRecord
from sonar.types import Reason, RgbImage, Scene, State
from sonar.zones import intrinsics

if TYPE_CHECKING:
    from sonar.controls.controls import Controls

SCHEMA = "sonar.controls.view/1"
STALE_S = 2.0  # without a frame or an event for so long, nothing is known
WIDTH_PX = 480
_QUALITY = 70
_SAID = 5


class RunView:
    """Consumes the steps of one run; :meth:`answer` is what ``sonar control view`` gets.

    The frame is in it, as ``picture``, only where ``controls.picture`` allows that: it shows people
    who did not ask for it.
    """

    def __init__(self, config: SonarConfig, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._newest: tuple[float, Step] | None = None
        self._first_t: float | None = None
        self._state: tuple[State, Reason | None] = (State.LOADING, None)
        self._heard: Event | None = None
        self._said: deque[tuple[float, str]] = deque(maxlen=_SAID)

    def consume(self, update: Update) -> None:
        """Keep what is new."""
        for event in update.events:
            self._keep(event)
        if isinstance(update, Step):
            if self._first_t is None:
                self._first_t = update.frame.t
            self._newest = (self._clock.now(), update)

    def _keep(self, event: Event) -> None:
        if event.kind == "state":
            self._state = (State(event.name), Reason(event.why) if event.why else None)
        elif event.kind == "speech":
            self._said.append((self._clock.now(), event.text or event.name))
        else:
            self._heard = event

    def answer(self, controls: "Controls") -> str:
        """One line of JSON, ``sonar.controls.view/1``; from any thread.

        ``age_s`` is how old the newest frame is, ``t`` its seconds into the run; ``zones`` and
        ``cue`` are as in its record, or unknown and null where something else happened since.
        ``heard`` is the sound with its side and cause, ``said`` the last phrases, newest first.
        ``borders`` are where the zones meet, as fractions of its width; ``picture`` is
        a JPEG in base64. Both are null without a frame.
        """
        now = self._clock.now()
        newest, (state, reason), heard = self._newest, self._state, self._heard
        scene, cue = Scene.unknown(-1, 0.0, reason, state), None
        age_s: float | None = None
        if newest is not None:
            seen_s, step = newest
            last = step.scene
            age_s = round(now - seen_s, 3)
            if (last.state, last.reason) != (state, reason):
                pass  # it came after this frame
            elif age_s > STALE_S:
                scene = Scene.unknown(last.frame_id, last.t, Reason.STALE)
            else:
                scene, cue = last, step.record().cue
        shown = newest if self._config.controls.picture else None
        return json.dumps(
            {
                "schema": SCHEMA,
                "state": scene.state,
                "reason": scene.reason,
                "age_s": age_s,
                "t": None
                if newest is None
                else round(newest[1].frame.t - (self._first_t or 0.0), 3),
                "sentence": describe(scene),
                "zones": _dump(ZonesRecord.of(scene)),
                "drop_off": scene.drop_off,
                "cue": None if cue is None else _dump(cue),
                "heard": None
                if heard is None
                else {"name": heard.name, "side": heard.side, "why": heard.why},
                "said": [
                    {"text": text, "ago_s": round(now - at_s, 1)}
                    for at_s, text in reversed(list(self._said))
                ],
                "muted": controls.muted,
                "volume_db": controls.volume_db,
                "verbosity": controls.verbosity,
                "scheme": controls.scheme,
                "picture_allowed": self._config.controls.picture,
                "borders": None
                if shown is None
                else zone_borders(self._config, *shown[1].frame.image.shape[:2]),
                "picture": None if shown is None else _jpeg(shown[1].frame.image),
            }
        )


def zone_borders(config: SonarConfig, height: int, width: int) -> tuple[float, float]:
    """Where the zones meet at the horizon, as fractions of a frame's width from the left."""
    camera = intrinsics(config.mount, width, height)
    half = math.tan(math.radians(config.zones.center_width_deg / 2)) * camera.fx
    left, right = ((camera.cx + side * half + 0.5) / width for side in (-1, 1))
    return max(0.0, left), min(1.0, right)


def _dump(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json")


def _jpeg(image: RgbImage) -> str:
    """A small JPEG of ``image``, uint8 (H, W, 3) RGB, in base64."""
    import cv2

    height, width = image.shape[:2]
    if width > WIDTH_PX:
        size = (WIDTH_PX, max(1, round(height * WIDTH_PX / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return base64.b64encode(coded.tobytes()).decode("ascii")
