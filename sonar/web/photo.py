"""One photo: what sonar sees in it, what it would say, and how that sounds."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from sonar import app
from sonar.audio.cues import PulseMapper, describe
from sonar.audio.output.wav import WavSink
from sonar.audio.speech.bank import SpeechBank
from sonar.audio.synthesis import Mixer
from sonar.capture import ImageSource
from sonar.clock import SystemClock
from sonar.config import SonarConfig
from sonar.controls.view import zone_borders
from sonar.replay.annotate import Annotator, even_size, heat_map
from sonar.types import Cue, RgbImage, Scene, State

_SHOWN_PX = 960
_LEGEND_PX = 34
_HEARD_S = 3.0
_POST_S = 0.1  # seconds between cues, as with a slow camera


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """What came of a photo.

    Attributes:
        image: uint8 (H, W, 3) RGB: the heat map with zones and a legend.
        spoken: the first phrase in ``sound``, or "" for none.
        sentence: the way ahead in one sentence.
        sound: a WAV file of three seconds.
    """

    image: RgbImage
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
        self._speech.prepare()

    def look(self, path: Path, config: SonarConfig, out: Path) -> PhotoResult:
        """Look at the photo in ``path``; files go into the folder ``out``.

        Raises SourceError for a bad photo, DepthError where the network fails, OutputError
        where the sound cannot be written.
        """
        source = ImageSource.of_file(path, animations=False)
        source.open()
        with self._lock, closing(source):
            zones = app.make_zones(config)
            mapper = PulseMapper(config.audio, config.speech)
            for state in (
                State.LOADING,
                State.READY,
            ):  # as every run begins
                mapper.update(Scene.unknown(-1, 0.0, None, state))
            cues = []
            while (frame := source.read(0.0)) is not None:
                depth = self._engine.estimate(frame)
                image, scene = frame.image, zones.update(depth, frame)
                cues.append(mapper.update(scene))
            size = even_size(image.shape[0], image.shape[1], _SHOWN_PX)
            annotator = Annotator(size, partial(zone_borders, config), 1.0)
            drawn = annotator.draw(image, depth, scene, cues[-1])
            sound = out / "heard.wav"
            phrases = self._render(cues, config, sound)
        spoken = self._speech.text(phrases[0]) if phrases else ""
        return PhotoResult(
            np.vstack([drawn, legend(drawn.shape[1])]), spoken, describe(scene), sound
        )

    def close(self) -> None:
        with ExitStack() as stack:  # one that fails keeps no other open
            stack.callback(self._speech.close)
            stack.callback(self._engine.close)

    def _render(self, cues: Sequence[Cue], config: SonarConfig, target: Path) -> list[str]:
        """Write what is heard, the last cue held; returns the keys of the phrases in it."""
        sink = WavSink(Mixer(config.audio, config.speech, self._speech), target)
        sink.start()
        try:
            for step in range(round(_HEARD_S / _POST_S)):
                sink.post(cues[min(step, len(cues) - 1)])
                sink.advance((step + 1) * _POST_S)
            return [key for _, key in sink.spoken()]
        finally:
            sink.close()


def legend(width: int) -> RgbImage:
    """The colors from far to near, labelled; uint8 (34, width, 3) RGB."""
    ramp = np.tile(np.linspace(0, 1, width, dtype=np.float32), (_LEGEND_PX, 1))
    bar = heat_map(ramp, 0.0, 1.0)
    for text, x, color in (("far", 8, (255, 255, 255)), ("near", width - 56, (0, 0, 0))):
        cv2.putText(bar, text, (x, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.6, color, 1, cv2.LINE_AA)
    return bar
