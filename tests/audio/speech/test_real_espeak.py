"""The real synthesizer, where it is installed: short enough, and each clip says its own words."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from words import agree, read_wav

from sonar.audio.cues.phrases import LONGEST_S, PHRASES
from sonar.audio.speech.bank import SpeechBank, SpeechWorker
from sonar.audio.speech.catalogue import load_utterances
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
        path = tmp_path / "x.wav"
        options = ["-v", utterance.voice, "-s", str(utterance.rate_wpm), "-p", "50"]
        subprocess.run(
            ["espeak-ng", *options, "-w", str(path), utterance.text], check=True, timeout=20
        )
        theirs = read_wav(path.read_bytes())
        ours = bank.get(key)
        if ours is None or not agree((ours, RATE), theirs):
            wrong.append(key)
    assert wrong == []


def test_a_missing_voice_is_reported(tmp_path: Path) -> None:
    bank = SpeechBank(SpeechConfig(voice="xx/none"), RATE, tmp_path)
    assert not bank.prepare(60.0)
    assert "no voice xx/none" in (bank.status.lost or "")
    bank.close()


def test_the_rate_asked_for_is_the_rate_spoken_from_the_first_phrase_on() -> None:
    """pyttsx3's own loop applies a changed rate one utterance late; the worker must not."""
    lengths = []
    for rate in (140, 280):
        worker = SpeechWorker(20.0)
        utterance = load_utterances(SpeechConfig(rate_wpm=rate))["step_left"]
        lengths.append(worker.render(utterance, RATE).size)
        worker.close()
    assert lengths[0] / lengths[1] == pytest.approx(2.0, rel=0.2)
