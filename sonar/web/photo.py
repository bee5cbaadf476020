"""One photo: what sonar sees in it, what it would say, and how that sounds."""

import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from sonar import app
from sonar.api import Session
from sonar.audio.cues import describe
from sonar.audio.output.sinks import WavSink
from sonar.audio.speech.bank import SpeechBank
from sonar.audio.synthesis import Mixer
from sonar.capture import ImageSource
from sonar.config import SonarConfig
from sonar.replay.annotate import Annotator, heat_map
from sonar.types import RgbImage
from sonar.zones import zone_borders

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
        self._speech = SpeechBank(config.speech, config.audio.rate_hz)
        self._speech.prepare()

    def look(self, path: Path, config: SonarConfig, out: Path) -> PhotoResult:
        """Look at the photo in ``path``; the sound goes into the folder ``out``.

        Raises SourceError for a bad photo, OutputError where the sound cannot be written.
        """
        source = ImageSource([path], path.name)
        with self._lock:
            with Session(source, config, engine=self._engine) as run:
                steps = list(run)
            step, sound = steps[-1], out / "heard.wav"
            sink = WavSink(Mixer(config.audio, config.speech, self._speech), sound)
            sink.start()
            try:
                for index in range(round(_HEARD_S / _POST_S)):
                    sink.post(steps[min(index, len(steps) - 1)].cue)
                    sink.advance((index + 1) * _POST_S)
                phrases = [key for _, key in sink.spoken()]
            finally:
                sink.close()
        image = step.frame.image
        annotator = Annotator(_SHOWN_PX, partial(zone_borders, config), 1.0)
        drawn = annotator.draw(image, step.depth, step.scene, step.cue)
        spoken = self._speech.text(phrases[0]) if phrases else ""
        shown = np.vstack([drawn, _legend(drawn.shape[1])])
        return PhotoResult(shown, spoken, describe(step.scene), sound)

    def close(self) -> None:
        """Release network and voice."""
        self._speech.close()
        self._engine.close()


def _legend(width: int) -> RgbImage:
    """The colors from far to near, labeled; uint8 (34, width, 3) RGB."""
    ramp = np.tile(np.linspace(0, 1, width, dtype=np.float32), (_LEGEND_PX, 1))
    bar = heat_map(ramp, 0.0, 1.0)
    for text, x, color in (("far", 8, (255, 255, 255)), ("near", width - 56, (0, 0, 0))):
        cv2.putText(bar, text, (x, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.6, color, 1, cv2.LINE_AA)
    return bar
