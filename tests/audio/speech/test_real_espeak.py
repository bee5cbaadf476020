"""The real synthesizer, where it is installed: short enough, and each clip says its own words."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from words import agree, read_wav

from sonar.audio.cues.phrases import LONGEST_S, PHRASES
from sonar.audio.speech.bank import SpeechBank
from sonar.audio.speech.catalogue import load_utterances
from sonar.audio.speech.clips import clip_for_mixer
from sonar.audio.speech.process import SpeechWorker
from sonar.config import SpeechConfig

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed"),
]
RATE = 48_000


@pytest.fixture(scope="module", params=["en", "zh"])
def bank(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SpeechBank]:
    config = SpeechConfig(language=request.param)
    made = SpeechBank(config, RATE, tmp_path_factory.mktemp("cache"))
    assert made.prepare(60.0), made.status
    yield made
    made.close()


def test_no_phrase_is_longer_than_a_step_allows(bank: SpeechBank) -> None:
    lengths = {key: bank.get(key).size / RATE for key in PHRASES}
    assert {key: length for key, length in lengths.items() if length > LONGEST_S} == {}
    assert min(lengths.values()) > 0.08


def test_each_clip_says_its_own_words(bank: SpeechBank, tmp_path: Path) -> None:
    """Against espeak-ng's own program, which shares no code with pyttsx3."""
    wrong = []
    for key, utterance in bank._utterances.items():
        path, voice = tmp_path / "x.wav", utterance.voice
        options = ["-v", voice.name, "-s", str(voice.rate_wpm), "-p", str(voice.pitch)]
        subprocess.run(
            ["espeak-ng", *options, "-w", str(path), utterance.text], check=True, timeout=20
        )
        theirs = read_wav(path.read_bytes())
        ours = bank.get(key)
        if ours is None or not agree((ours, RATE), theirs):
            wrong.append(key)
    assert wrong == []


def test_a_missing_voice_is_told(tmp_path: Path) -> None:
    bank = SpeechBank(SpeechConfig(voice="xx/none"), RATE, tmp_path)
    assert not bank.prepare(60.0)
    assert "no voice xx/none" in (bank.status.lost or "")
    bank.close()


def spoken(config: SpeechConfig) -> tuple[np.ndarray, int]:
    """The first phrase of a worker: samples and their rate."""
    utterance = load_utterances(config)["step_left"]
    worker = SpeechWorker(utterance.voice, 20.0)
    try:
        worker.start()
        return worker.render(utterance.text)
    finally:
        worker.close()


def test_the_rate_asked_for_is_the_rate_spoken_from_the_first_phrase_on() -> None:
    """pyttsx3's own loop applies a changed rate one utterance late; the worker must not."""
    lengths = []
    for rate in (140, 280):
        samples, hz = spoken(SpeechConfig(rate_wpm=rate))
        lengths.append(clip_for_mixer(samples, hz, RATE).size)
    assert lengths[0] / lengths[1] == pytest.approx(2.0, rel=0.2)
