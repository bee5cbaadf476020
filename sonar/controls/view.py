"""What a sighted helper may look at while sonar guides: the newest zones, sound and words.

Nothing is made until somebody asks, in the thread that asks: the loop only keeps references.
"""

import base64
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from sonar.audio.cues import describe
from sonar.config import SonarConfig
from sonar.ports import Clock
from sonar.records import Step, Update, ZonesRecord
from sonar.types import Reason, RgbImage, Scene, State
from sonar.zones import zone_borders

if TYPE_CHECKING:
    from sonar.controls.controls import Controls

SCHEMA = "sonar.controls.view/1"
STALE_S = 2.0  # without a frame or an event for so long, nothing is known
WIDTH_PX = 480
_QUALITY, _SAID = 70, 5


class RunView:
    """Consumes the steps of one run; :meth:`answer` is what ``sonar control view`` gets. The frame
    is in it only where ``controls.picture`` allows that: it shows people who did not ask for it."""

    def __init__(self, config: SonarConfig, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._newest: tuple[float, Step] | None = None
        self._first_t = 0.0
        self._state: tuple[State, Reason | None] = (State.LOADING, None)
        self._heard: dict[str, Any] | None = None
        self._said: deque[tuple[float, str]] = deque(maxlen=_SAID)

    def consume(self, update: Update) -> None:
        """Keep what is new."""
        now = self._clock.now()
        for event in update.events:
            if event.kind == "state":
                self._state = (State(event.name), Reason(event.why) if event.why else None)
            elif event.kind == "speech":
                self._said.appendleft((now, event.text or event.name))
            else:
                self._heard = {"name": event.name, "side": event.side, "why": event.why}
        if isinstance(update, Step):
            self._first_t = self._first_t if self._newest else update.frame.t
            self._newest = (now, update)

    def answer(self, controls: "Controls") -> str:
        """One line of JSON, ``sonar.controls.view/1``; from any thread.

        ``age_s`` is how old the newest frame is, ``t`` its seconds into the run; ``zones`` and
        ``cue`` are as in its record, or unknown and null where something else happened since.
        ``said`` are the last phrases, newest first; ``borders`` are where the zones meet, as
        fractions of the frame's width; ``picture`` is the frame, a JPEG in base64.
        """
        now = self._clock.now()
        newest, (state, reason) = self._newest, self._state
        shown: dict[str, Any] = dict.fromkeys(("age_s", "t", "cue", "borders", "picture"))
        scene = Scene.unknown(-1, 0.0, reason, state)
        if newest is not None:
            step, image = newest[1], newest[1].frame.image
            shown["age_s"], shown["t"] = (
                round(now - newest[0], 3),
                round(step.frame.t - self._first_t, 3),
            )
            # Else the state came after this frame.
            if (step.scene.state, step.scene.reason) == (state, reason):
                scene, shown["cue"] = step.scene, step.record().model_dump(mode="json")["cue"]
                if shown["age_s"] > STALE_S:
                    scene, shown["cue"] = Scene.unknown(scene.frame_id, scene.t, Reason.STALE), None
            if self._config.controls.picture:
                shown["borders"] = zone_borders(self._config, *image.shape[:2])
                shown["picture"] = _jpeg(image)
        shown |= {
            "schema": SCHEMA,
            "state": scene.state,
            "reason": scene.reason,
            "sentence": describe(scene),
            "zones": ZonesRecord.model_validate(scene).model_dump(mode="json"),
            "drop_off": scene.drop_off,
            "heard": self._heard,
            "said": [{"text": text, "ago_s": round(now - s, 1)} for s, text in [*self._said]],
            "muted": controls.mixer.muted,
            "volume_db": controls.volume_db,
            "verbosity": controls.mapper.verbosity,
            "scheme": controls.mapper.scheme,
            "picture_allowed": self._config.controls.picture,
        }
        return json.dumps(shown)


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
