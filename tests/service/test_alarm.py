"""The failure sounds, and that a player that fails or hangs is replaced by another."""

import io
import itertools
import os
import shutil
import subprocess
import sys
import time
import wave as wave_format
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonar.audio.speech.bank import SpeechWorker
from sonar.clock import SystemClock
from sonar.service.supervisor import alarm as alarms
from sonar.service.supervisor import sounds
from sonar.service.supervisor.alarm import LEAD_S, Alarm
from sonar.service.supervisor.supervisor import WORDS_FOR

pytestmark = pytest.mark.realtime

Logged = list[tuple[str, dict[str, Any]]]


def script(path: Path, text: str) -> list[str]:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return [str(path)]


@pytest.fixture(scope="module")
def files() -> Any:
    made = sounds.in_memory(sounds.without_words(), -6.0)
    yield made
    for fd, _ in made.values():
        os.close(fd)


@pytest.fixture
def make(files: Any) -> Any:
    made: list[Alarm] = []

    def build(commands: list[list[str]]) -> tuple[Alarm, Logged]:
        logged: Logged = []
        alarm = Alarm(
            SystemClock(),
            files,
            commands,
            lambda event, **fields: logged.append((event, fields)),
        )
        made.append(alarm)
        return alarm, logged

    yield build
    for alarm in made:
        alarm.quiet()


def finish(alarm: Alarm, limit_s: float = 5.0) -> float:
    """Until the first sound came to its end or was given up; seconds."""
    start = time.monotonic()
    alarm.on = False  # the first sound only
    while alarm.playing:
        alarm.step()
        assert time.monotonic() - start < limit_s
        time.sleep(0.01)
    return time.monotonic() - start


@pytest.mark.parametrize("notes", [sounds.SIREN, sounds.FALL])
def test_sounds_are_soft_edged_loud_and_short(notes: Any) -> None:
    wave = sounds.notes(notes)
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


def test_the_long_alarm_never_pauses_and_ends_with_a_siren() -> None:
    rate_hz = sounds.RATE_HZ
    words = (0.5 * np.sin(np.arange(2 * rate_hz))).astype(np.float32)
    for spoken, sirens in ((None, 4), (words, 5)):
        wave = sounds.failing(spoken)
        spans = loud_spans(wave, rate_hz)
        assert len(spans) == sirens + (spoken is not None)
        assert max(b[0] - a[1] for a, b in itertools.pairwise(spans)) < 0.5
        assert LEAD_S <= spans[0][0] < LEAD_S + 0.01
        assert wave.size / rate_hz - spans[-1][1] < 0.02


def samples_of(file: bytes) -> np.ndarray:
    with wave_format.open(io.BytesIO(file)) as reader:
        assert (reader.getnchannels(), reader.getframerate()) == (2, sounds.RATE_HZ)
        pcm = np.frombuffer(reader.readframes(reader.getnframes()), "<i2").reshape(-1, 2)
    np.testing.assert_array_equal(pcm[:, 0], pcm[:, 1])
    return pcm[:, 0] / 32_768


def test_a_wav_file_has_the_volume_asked_for_and_never_clips() -> None:
    wave = sounds.notes(sounds.SIREN)
    np.testing.assert_allclose(
        samples_of(sounds.wav(wave, -6.0)), 10 ** (-6 / 20) * wave, atol=2e-4
    )
    loud = samples_of(sounds.wav(np.array([3.0, -3.0], np.float32), 6.0))
    assert np.abs(loud).max() <= 1.0


def test_a_sound_reaches_the_player(make: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "played"
    alarm, _ = make([script(tmp_path / "play", f'cat "$1" > {out}.part; mv {out}.part {out}')])
    for _ in range(2):  # the same file again, from its beginning
        alarm.begin()
        assert alarm.playing
        finish(alarm)
        assert alarm.was_heard() and not alarm.was_heard()
        assert out.read_bytes() == sounds.wav(sounds.notes(sounds.SIREN), -6.0)
        out.unlink()


def test_a_player_that_fails_is_replaced_at_once(make: Callable[..., Any], tmp_path: Path) -> None:
    alarm, logged = make(
        [["false"], ["/no/such/player"], script(tmp_path / "good", f"touch {tmp_path}/heard")]
    )
    alarm.begin()
    assert finish(alarm) < 1.0
    assert (tmp_path / "heard").exists() and alarm.was_heard()
    assert [event for event, _ in logged] == ["alarm_player"]
    alarm.begin()  # now the good one first
    finish(alarm)
    assert alarm.was_heard() and len(logged) == 1


def test_what_follows_a_player_that_hangs_does_not_wait_for_it(
    make: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "HANG_S", 0.3)
    alarm, logged = make(
        [
            script(tmp_path / "hangs", "exec sleep 60"),
            script(tmp_path / "good", f"echo x >> {tmp_path}/heard; exec sleep 60"),
        ]
    )
    alarm.begin()
    began = time.monotonic()
    while not (tmp_path / "heard").exists() or (tmp_path / "heard").read_text() != "x\nx\n":
        alarm.step()
        assert time.monotonic() - began < 2.0
        time.sleep(0.01)
    assert [fields["problem"] for _, fields in logged] == ["hangs"]


def test_what_sounds_is_left_to_end_when_another_follows(
    make: Callable[..., Any], tmp_path: Path
) -> None:
    alarm, logged = make([script(tmp_path / "player", f"sleep 0.3; echo x >> {tmp_path}/through")])
    alarm.begin()
    alarm.step()
    finish(alarm)
    assert (tmp_path / "through").read_text() == "x\nx\n" and not logged


def test_no_player_works_and_nothing_breaks(make: Callable[..., Any]) -> None:
    alarm, logged = make([["false"], ["/no/such/player"]])
    alarm.begin("nothing")  # the words are missing, the sirens are not
    finish(alarm)
    assert not alarm.was_heard() and logged
    alarm.farewell("nothing")
    finish(alarm)


def test_quiet_is_at_once(make: Callable[..., Any], tmp_path: Path) -> None:
    alarm, _ = make([script(tmp_path / "long", "exec sleep 60")])
    alarm.begin()
    start = time.monotonic()
    assert alarm.on and alarm.playing
    alarm.quiet()
    assert not alarm.playing and time.monotonic() - start < 0.5


def test_without_a_synthesizer_there_are_sirens_and_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = partial(SpeechWorker, command=("false",))
    monkeypatch.setattr(sounds, "SpeechWorker", missing)
    problems: list[str] = []
    rendered = sounds.render("en", problems.append)
    assert rendered.keys() == {"failed", "gave_up", "failing"}
    assert len(problems) == 1 and "no words" in problems[0]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
@pytest.mark.parametrize("language", ["en", "zh", "xx"])
def test_every_cause_has_words_that_are_spoken(language: str) -> None:
    rendered = sounds.render(language)
    for key in sounds.WORDS["en"]:
        words_s = (rendered[f"gave_up:{key}"].size - rendered["gave_up"].size) / sounds.RATE_HZ
        assert 0.5 < words_s < 5.0, key
        assert np.abs(rendered[f"failing:{key}"]).max() == pytest.approx(1.0)
        # Each is played to its end between two times that systemd asks for progress.
        assert rendered[f"failing:{key}"].size / sounds.RATE_HZ < 10.0


def test_every_language_says_everything() -> None:
    assert sounds.WORDS["zh"].keys() == sounds.WORDS["en"].keys()
    assert {"failed", "config", "gave_up", *WORDS_FOR.values()} == sounds.WORDS["en"].keys()


def test_the_supervisor_needs_neither_numpy_nor_a_synthesizer() -> None:
    code = "import sys, sonar.service.supervisor.runner; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not {"numpy", "av", "psutil", "pydantic", "cv2", "prometheus_client"} & set(
        done.stdout.split()
    )


def test_players_end_with_one_that_needs_nothing_else() -> None:
    commands = alarms.players("hw:1")
    assert commands[-1][0] == sys.executable
    exec(commands[-1][-1].rsplit("play_wav(", 1)[0], {})  # what it imports is there
    if len(commands) > 1:
        assert commands[0] in (["aplay", "-q", "-D", "hw:1"], ["paplay"], ["pw-play"])
