"""Every phrase has words in every language; a slip in one's own catalogue is reported."""

from pathlib import Path

import pytest

from sonar.audio.cues import PHRASES
from sonar.audio.speech.catalogue import languages, load_utterances
from sonar.config import SpeechConfig
from sonar.config.plain_yaml import parse
from sonar.errors import ConfigError

FOLDER = Path(__file__).parents[3] / "sonar/audio/speech/catalogues"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


def test_english_and_chinese_come_with_sonar() -> None:
    assert {"en", "zh"} <= set(languages())


@pytest.mark.parametrize("language", languages())
def test_a_catalogue_has_every_key_once_and_no_other(language: str) -> None:
    phrases = parse((FOLDER / f"{language}.yaml").read_text(encoding="utf-8"), language).value[
        "phrases"
    ]
    assert list(PHRASES) and set(phrases) == set(PHRASES)


@pytest.mark.parametrize("language", languages())
def test_words_that_must_not_be_confused_differ(language: str) -> None:
    said = load_utterances(SpeechConfig(language=language))
    for left in (key for key in PHRASES if key.endswith("_left")):
        stem = left.removesuffix("_left")
        sides = {said[key].text for key in (left, f"{stem}_right", f"{stem}_center") if key in said}
        assert len(sides) == sum(f"{stem}_{side}" in said for side in ("left", "right", "center"))
    groups = ("unknown_", "band_", "metres_", "state_", "control_")
    for group in groups:
        words = [one.text for key, one in said.items() if key.startswith(group)]
        assert len(words) == len(set(words)), group


def test_nothing_promises_safety() -> None:
    """sonar sees little: it may say what it saw, never that the way is free."""
    said = load_utterances(SpeechConfig())
    assert not [
        one.text
        for one in said.values()
        if {"safe", "go", "free"} & set(one.text.lower().split())
        or ("clear" in one.text.lower() and "seems" not in one.text.lower())
    ]
    assert "possible" in said["drop"].text.lower()
    assert "可能" in load_utterances(SpeechConfig(language="zh"))["drop"].text


def test_mandarin_uses_the_voice_that_speaks_mandarin() -> None:
    """``sit/cmn`` of espeak-ng 1.51 reads pinyin as English: "ting two"."""
    voices = {one.voice for one in load_utterances(SpeechConfig(language="zh")).values()}
    assert voices == {"sit/cmn-latn-pinyin"}


def test_ones_own_words_and_english_for_the_rest(mine: Path) -> None:
    mine.write_text("voice: gmw/de\nrate_scale: 0.5\nphrases:\n  stop: Halt\n  metres_2_0: 2\n")
    said = load_utterances(SpeechConfig(language=str(mine), rate_wpm=200))
    assert (said["stop"].text, said["stop"].voice) == ("Halt", "gmw/de")
    assert said["stop"].rate_wpm == 100
    assert said["metres_2_0"].text == "2"
    assert (said["drop"].text, said["drop"].voice) == ("Possible drop", "gmw/en-us")
    assert said["drop"].rate_wpm == 200


def test_the_configured_voice_speaks_everything(mine: Path) -> None:
    mine.write_text("voice: gmw/de\nphrases:\n  stop: Halt\n")
    said = load_utterances(SpeechConfig(language=str(mine), voice="gmw/en-029"))
    assert {one.voice for one in said.values()} == {"gmw/en-029"}


@pytest.mark.parametrize(("rate", "scale", "wpm"), [(450, 4.0, 450), (80, 0.25, 80)])
def test_the_rate_stays_within_what_espeak_takes(
    mine: Path, rate: int, scale: float, wpm: int
) -> None:
    mine.write_text(f"rate_scale: {scale}\nphrases: {{stop: Halt}}\n")
    said = load_utterances(SpeechConfig(language=str(mine), rate_wpm=rate))
    assert said["stop"].rate_wpm == wpm


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("phrases:\n  stopp: Halt\n", 2, "no such phrase stopp; the nearest is stop"),
        ("voices: x\n", 1, "no such key voices; the nearest is voice"),
        ("phrases:\n  stop:\n", 2, "stop needs words"),
        ("phrases:\n  stop: '...'\n", 2, "stop needs words"),
        ("phrases:\n  stop: [a]\n", 2, "stop needs words"),
        (f"phrases:\n  stop: {'a' * 100}\n", 2, "longer than 80"),
        ('phrases:\n  stop: "a\\u0007b"\n', 2, "cannot be spoken"),
        ("phrases: 3\n", 1, "phrases must be"),
        ("voice: [3]\n", 1, "voice must be"),
        ("rate_scale: 9\n", 1, "rate_scale must be"),
        ("rate_scale: true\n", 1, "rate_scale must be"),
        ("- a\n", 1, "a catalogue has"),
        ("", 1, "a catalogue has"),
        ("phrases:\n  stop: a\n  stop: b\n", 3, "already set on line 2"),
        ("phrases: {\n", 2, "not valid YAML"),
    ],
)
def test_a_slip_is_reported_with_its_line(mine: Path, text: str, line: int, says: str) -> None:
    mine.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_utterances(SpeechConfig(language=str(mine)))
    assert str(caught.value).startswith(f"{mine}:{line}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize("language", ["tlh", "", "/no/such.yaml", "x" * 5000, "a\0b", "/"])
def test_an_unknown_language_names_the_known_ones(language: str) -> None:
    with pytest.raises(ConfigError, match="take one of en, zh"):
        load_utterances(SpeechConfig(language=language))


def test_a_binary_file_is_no_catalogue(mine: Path) -> None:
    mine.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigError, match="not a text file"):
        load_utterances(SpeechConfig(language=str(mine)))
