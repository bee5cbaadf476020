"""What is lost while guiding is announced: speech at once, gaps in the sound at the end."""

from types import SimpleNamespace

import numpy as np
from hearing import AUDIO, RATE, SPEECH, onsets, render

from sonar.audio.cues import PulseMapper
from sonar.audio.speech.bank import SpeechStatus
from sonar.audio.synthesis import Mixer
from sonar.cli import run as cli_run
from sonar.controls.controls import Controls
from sonar.records import Step
from sonar.testing.audio import ToneSpeaker
from sonar.types import Cue, CueKind, Frame, Scene


def a_step():
    scene = Scene.unknown(0, 0.0, None)
    frame = Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0)
    return Step(scene=scene, cue=Cue(CueKind.SILENCE), frame=frame, depth=None, timings_ms={})


def test_lost_speech_is_announced_once_by_sound_and_by_text(monkeypatch):
    noted = []
    monkeypatch.setattr(cli_run, "note", noted.append)
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE, missing=["unknown_speech_lost"]))
    speech = SimpleNamespace(status=SpeechStatus(0, 9, False))
    controls = Controls(mixer, PulseMapper(AUDIO, SPEECH), 0.0)
    consume = cli_run._printer(SimpleNamespace(speech=speech, controls=controls))
    step = a_step()
    consume(step)
    assert not render(mixer, 0.5).any()
    speech.status = SpeechStatus(0, 9, True, "espeak-ng is not installed")
    for _ in range(3):
        consume(step)
    assert onsets(render(mixer, 2.0)).size == 2  # "degraded": two notes falling, once
    assert noted == ["espeak-ng is not installed. Tones go on without it."]
