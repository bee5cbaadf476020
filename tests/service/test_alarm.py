"""The failure sounds, and that a player that fails or hangs is replaced by another."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonar.clock import SystemClock
from sonar.service.supervisor import alarm as alarms
from sonar.service.supervisor import phrases, sounds
from sonar.service.supervisor.alarm import PlayerAlarm

Logged = list[tuple[str, dict[str, Any]]]


def script(path: Path, text: str) -> list[str]:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return [str(path)]


@pytest.fixture
def make() -> Any:
    made: list[PlayerAlarm] = []

    def build(commands: list[list[str]], **options: Any) -> tuple[PlayerAlarm, Logged]:
        logged: Logged = []
        alarm = PlayerAlarm(
            SystemClock(),
            -6.0,
            commands,
            lambda event, **fields: logged.append((event, fields)),
            **options,
        )
        made.append(alarm)
        return alarm, logged

    yield build
    for alarm in made:
        alarm.close()


def finish(alarm: PlayerAlarm, limit_s: float = 5.0) -> float:
    start = time.monotonic()
    while alarm.busy():
        assert time.monotonic() - start < limit_s
        time.sleep(0.01)
    return time.monotonic() - start


@pytest.mark.parametrize("name", sorted(sounds.PATTERNS))
def test_sounds_are_soft_edged_loud_and_short(name: str) -> None:
    wave = np.array(sounds.pattern(name))
    assert 0.3 < wave.size / sounds.RATE_HZ < 1.5
    assert 0.5 < np.abs(wave).max() <= 1.0
    assert abs(wave[0]) < 0.01 and abs(wave[-1]) < 0.01
    assert np.abs(np.diff(wave)).max() < 0.5  # no click
    spectrum = np.abs(np.fft.rfft(wave)) ** 2
    hertz = np.fft.rfftfreq(wave.size, 1 / sounds.RATE_HZ)
    assert spectrum[(hertz > 1400) & (hertz < 3200)].sum() > 0.1 * spectrum.sum()


def loud_spans(wave: np.ndarray, rate_hz: int) -> list[tuple[float, float]]:
    """(begin, end) in seconds of what is not silent for more than 50 ms."""
    at = np.flatnonzero(np.abs(wave) > 1e-3)
    cuts = np.flatnonzero(np.diff(at) > 0.05 * rate_hz)
    begins, ends = at[np.concatenate([[0], cuts + 1])], at[np.concatenate([cuts, [at.size - 1]])]
    return list(zip(begins / rate_hz, ends / rate_hz, strict=True))


@pytest.mark.parametrize("rate_hz", [22_050, sounds.RATE_HZ])
def test_the_long_alarm_never_pauses_and_ends_with_a_siren(rate_hz: int) -> None:
    words = 0.5 * np.sin(np.arange(2 * rate_hz))
    for spoken, sirens in (((), 4), (words.tolist(), 3)):
        wave = np.array(sounds.failing(spoken, rate_hz))
        spans = loud_spans(wave, rate_hz)
        assert len(spans) == sirens + bool(spoken)
        assert max(b[0] - a[1] for a, b in itertools.pairwise(spans)) < 0.5
        assert sounds.LEAD_S <= spans[0][0] < sounds.LEAD_S + 0.01
        assert wave.size / rate_hz - spans[-1][1] < 0.02


def test_wav_round_trip_and_level() -> None:
    wave = sounds.pattern("failed")
    back, rate = sounds.samples_of(sounds.wav(wave, -6.0))
    assert rate == sounds.RATE_HZ and len(back) == len(wave)
    np.testing.assert_allclose(back, 10 ** (-6 / 20) * np.array(wave), atol=2e-4)
    loud, _ = sounds.samples_of(sounds.wav([3.0, -3.0], 6.0))
    assert max(loud) <= 1.0 and min(loud) >= -1.0
    with pytest.raises(ValueError, match="WAV"):
        sounds.samples_of(b"not a wav")


def test_a_sound_reaches_the_player(make: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "played"
    alarm, _ = make([script(tmp_path / "play", f'cat "$1" > {out}.part; mv {out}.part {out}')])
    alarm.play("failed")
    assert alarm.busy()
    finish(alarm)
    assert alarm.played == 1
    assert out.read_bytes() == sounds.wav(sounds.pattern("failed"), -6.0)
    alarm.play("failed")  # the same file again, from its beginning
    finish(alarm)
    assert out.stat().st_size == len(sounds.wav(sounds.pattern("failed"), -6.0))


def test_a_player_that_fails_is_replaced_at_once(make: Callable[..., Any], tmp_path: Path) -> None:
    alarm, logged = make(
        [["false"], ["/no/such/player"], script(tmp_path / "good", f"touch {tmp_path}/heard")]
    )
    alarm.play("failed")
    assert finish(alarm) < 1.0
    assert (tmp_path / "heard").exists() and alarm.played == 1
    assert [event for event, _ in logged] == ["alarm_player"]
    alarm.play("failed")  # now the good one first
    finish(alarm)
    assert alarm.played == 2 and len(logged) == 1


def test_a_player_that_hangs_is_ended_and_replaced(
    make: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "HANG_S", 0.1)
    alarm, logged = make(
        [script(tmp_path / "hangs", "exec sleep 60"), script(tmp_path / "good", "exit 0")]
    )
    alarm.play("failed")
    assert finish(alarm) < 2.0
    assert alarm.played == 1 and logged[0][1]["problem"] == "hangs"


def test_what_follows_a_player_that_hangs_does_not_wait_for_it(
    make: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "HANG_S", 0.3)
    alarm, logged = make(
        [
            script(tmp_path / "hangs", "exec sleep 60"),
            script(tmp_path / "good", f"touch {tmp_path}/heard; exec sleep 60"),
        ]
    )
    alarm.play("failed")
    assert alarm.busy()
    alarm.follow("failing")  # three seconds long
    began = time.monotonic()
    while not (tmp_path / "heard").exists():
        alarm.busy()
        assert time.monotonic() - began < 2.0
        time.sleep(0.01)
    assert [fields["problem"] for _, fields in logged] == ["hangs"]


def test_what_sounds_is_left_to_end_when_another_follows(
    make: Callable[..., Any], tmp_path: Path
) -> None:
    alarm, logged = make([script(tmp_path / "player", f"sleep 0.3; echo x >> {tmp_path}/through")])
    alarm.play("failed")
    alarm.follow("failing")
    deadline = time.monotonic() + 5.0
    while alarm.busy() or alarm.played < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (tmp_path / "through").read_text() == "x\nx\n" and not logged


def test_no_player_works_and_nothing_breaks(make: Callable[..., Any]) -> None:
    alarm, logged = make([["false"], ["/no/such/player"]])
    alarm.play("failed")
    finish(alarm)
    assert alarm.played == 0 and logged
    alarm.play("say:nothing")
    assert not alarm.busy()
    alarm.play("failing:nothing")  # the words are missing, the sirens are not
    assert alarm.busy()
    finish(alarm)


def test_stop_is_at_once(make: Callable[..., Any], tmp_path: Path) -> None:
    alarm, _ = make([script(tmp_path / "long", "exec sleep 60")])
    alarm.play("failed")
    start = time.monotonic()
    assert alarm.busy()
    alarm.stop()
    assert not alarm.busy() and time.monotonic() - start < 0.5


def test_words_come_from_the_synthesizer_and_may_be_missing(
    make: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "word.wav").write_bytes(sounds.wav([0.1] * 2400, 0.0))
    speak = script(tmp_path / "speak", f"cat {tmp_path}/word.wav")
    alarm, _ = make([["true"]], speak=speak, words={"failed": "x"})
    for _ in range(200):
        if alarm.has("say:failed"):
            break
        time.sleep(0.01)
    assert alarm.has("say:failed")
    for _ in range(200):
        if alarm.has("failing:failed"):
            break
        time.sleep(0.01)
    assert alarm.has("failing:failed")
    alarm.play("say:failed")
    finish(alarm)
    assert alarm.played == 1
    broken, logged = make([["true"]], speak=["false"], words={"failed": "x"})
    for _ in range(200):
        if logged:
            break
        time.sleep(0.01)
    assert logged[0][0] == "alarm_speech" and not broken.has("say:failed")


def test_espeak_says_every_phrase(tmp_path: Path) -> None:
    import shutil
    import subprocess

    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    for language in ("en", "zh"):
        for key, text in phrases.texts(language).items():
            command = ["espeak-ng", "--stdout", "-v", phrases.voice(language), text]
            done = subprocess.run(command, capture_output=True, timeout=10, check=True)
            samples, rate = sounds.samples_of(done.stdout)
            assert 0.5 < len(samples) / rate < 5.0, key
            assert max(samples) > 0.05


def test_every_language_says_everything() -> None:
    assert phrases.texts("zh").keys() == phrases.texts("en").keys()
    assert phrases.texts("xx") == phrases.texts("en")
    assert {phrases.key_for(code) for code in (-9, 1, 2, 3, 4, 5)} <= phrases.texts("en").keys()


def test_players_end_with_one_that_needs_nothing_else() -> None:
    commands = alarms.players("hw:1")
    assert commands[-1][-1] == "sonar.service.supervisor.play"
    if len(commands) > 1:
        assert commands[0] in (["aplay", "-q", "-D", "hw:1"], ["paplay"], ["pw-play"])
