"""One photo: what sonar sees in it, what it would say, and how that sounds."""

import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from sonar import app
from sonar.audio.cues.describe import describe
from sonar.audio.cues.mapping import PulseMapper
from sonar.audio.output.wav import WavSink
from sonar.audio.speech.bank import SpeechBank
from sonar.audio.synthesis.mixer import Mixer
from sonar.capture import read_image
from sonar.clock import SystemClock
from sonar.config import SonarConfig
from sonar.controls.view import zone_borders
from sonar.replay.annotate import Annotator, heat_map
from sonar.replay.video import even_size
from sonar.types import Cue, Frame, RgbImage
from sonar.zones import DepthZones

_SHOWN_PX = 960
_LOOKED_AT_PX = 1280  # as cameras give it; a phone's 12 megapixels only take longer
_LEGEND_PX = 34
_HEARD_S = 3.0
_SEEN_FRAMES = 5  # what is seen once only is not believed; more, and the picture is "frozen"
_POST_S = 0.1  # as often as a slow camera brings news


@dataclass(frozen=True, slots=True)
class Look:
    """What came of a photo.

    Attributes:
        picture: uint8 (H, W, 3) RGB: the heat map with zones and a legend.
        spoken: the phrase that would be spoken, or "" for none.
        sentence: the way ahead in one sentence.
        sound: a WAV file of three seconds.
    """

    picture: RgbImage
    spoken: str
    sentence: str
    sound: Path


class Photographer:
    """Keeps network and voice ready between photos; one photo at a time.

    Raises ModelError or MissingExtraError where the network cannot be opened.
    """

    def __init__(self, config: SonarConfig) -> None:
        self._lock = threading.Lock()
        self._engine = app.open_engine(config)
        self._engine.warm_up(480, 640)
        self._speech = SpeechBank(config.speech, config.audio.rate_hz, clock=SystemClock())
        self._speech.prepare(config.speech.timeout_s)

    def look(self, path: Path, config: SonarConfig, out: Path) -> Look:
        """Look at the picture in ``path``; files go into the folder ``out``.

        Raises SourceError for a bad picture, DepthError where the network fails, OutputError
        where the sound cannot be written.
        """
        frame = Frame(_shrunk(read_image(path)), 0, 0.0)
        with self._lock:
            depth = self._engine.estimate(frame)
            zones = DepthZones(config.zones, config.mount)
            for index in range(_SEEN_FRAMES):
                scene = zones.update(depth, Frame(frame.image, index, index * _POST_S))
            cue = PulseMapper(config.audio, config.speech).update(scene)
            size = even_size(frame.image.shape[0], frame.image.shape[1], _SHOWN_PX)
            annotator = Annotator(*size, partial(zone_borders, config), 1.0)
            picture = annotator.draw(frame.image, depth, scene, cue)
            sound = out / "heard.wav"
            self._render(cue, config, sound)
        spoken = self._speech.text(cue.phrase) if cue.phrase else ""
        return Look(np.vstack([picture, legend(picture.shape[1])]), spoken, describe(scene), sound)

    def close(self) -> None:
        self._engine.close()
        self._speech.close()

    def _render(self, cue: Cue, config: SonarConfig, target: Path) -> None:
        sink = WavSink(Mixer(config.audio, config.speech, self._speech), target)
        sink.start()
        try:
            for step in range(round(_HEARD_S / _POST_S)):
                sink.post(cue)
                sink.advance((step + 1) * _POST_S)
        finally:
            sink.close()


def _shrunk(image: RgbImage) -> RgbImage:
    """``image``, uint8 (H, W, 3) RGB, its longer side at most _LOOKED_AT_PX pixels."""
    height, width = image.shape[:2]
    scale = _LOOKED_AT_PX / max(height, width)
    if scale >= 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def legend(width: int) -> RgbImage:
    """The colours from far to near, labelled; uint8 (34, width, 3) RGB."""
    ramp = np.tile(np.linspace(0, 1, width, dtype=np.float32), (_LEGEND_PX, 1))
    bar = heat_map(ramp, 0.0, 1.0)
    for text, x, colour in (("far", 8, (255, 255, 255)), ("near", width - 56, (0, 0, 0))):
        cv2.putText(bar, text, (x, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 1, cv2.LINE_AA)
    return bar
