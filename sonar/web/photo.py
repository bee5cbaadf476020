"""One photo: what sonar sees in it, what it would say, and how that sounds."""

import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sonar import app
from sonar.api import Session
from sonar.audio.cues import describe
from sonar.audio.output.sinks import WavSink
from sonar.audio.speech.bank import SpeechBank
from sonar.audio.synthesis import Mixer
from sonar.capture import ImageSource
from sonar.config import SonarConfig
from sonar.replay.annotate import Annotator
from sonar.types import RgbImage
from sonar.zones import zone_borders

_SHOWN_PX = 960
_HEARD_S = 3.0
_POST_S = 0.1  # seconds between cues, as with a slow camera


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """What came of a photo."""

    image: RgbImage  # the heat map with zones
    spoken: str  # the first phrase in ``sound``, or ""
    sentence: str  # the way ahead
    sound: Path  # a WAV file of three seconds


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
        return PhotoResult(drawn, spoken, describe(step.scene), sound)

    def close(self) -> None:
        """Release network and voice."""
        self._speech.close()
        self._engine.close()
