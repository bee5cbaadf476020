"""The failure sounds, and that a player that fails or hangs is replaced by another."""

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
    made = sounds.in_memory(sounds.without_words())
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


def test_the_long_alarm_never_pauses_and_ends_with_a_siren() -> None:
    rate_hz = sounds.RATE_HZ
    words = (0.5 * np.sin(np.arange(2 * rate_hz))).astype(np.float32)
    for spoken in (None, words):
        at = np.flatnonzero(np.abs(sounds.failing(spoken)) > 1e-3)
        assert np.diff(at).max() < 0.5 * rate_hz
        assert LEAD_S <= at[0] / rate_hz < LEAD_S + 0.01
        assert sounds.failing(spoken).size - at[-1] < 0.02 * rate_hz


def test_a_sound_reaches_the_player_and_quiet_is_at_once(
    make: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "played"
    alarm, _ = make([script(tmp_path / "play", f'cat "$1" > {out}.part; mv {out}.part {out}')])
    for _ in range(2):  # the same file again, from its beginning
        alarm.begin()
        assert alarm.playing
        finish(alarm)
        assert alarm.was_heard() and not alarm.was_heard()
        with wave_format.open(str(out)) as reader:
            assert (reader.getnchannels(), reader.getframerate()) == (2, sounds.RATE_HZ)
            pcm = np.frombuffer(reader.readframes(reader.getnframes()), "<i2").reshape(-1, 2)
        siren = sounds.GAIN * sounds.notes(sounds.SIREN)
        np.testing.assert_allclose(pcm / 32_768, np.stack([siren] * 2, 1), atol=2e-4)
        out.unlink()
    alarm, _ = make([script(tmp_path / "long", "exec sleep 60")])
    alarm.begin()
    start = time.monotonic()
    alarm.quiet()
    assert not alarm.playing and time.monotonic() - start < 0.5


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
    alarm, logged = make([["false"], ["/no/such/player"]])  # none works: nothing breaks
    for sound in (alarm.begin, alarm.farewell):
        sound("nothing")  # the words are missing, the sirens are not
        finish(alarm)
    assert not alarm.was_heard() and logged


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


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
@pytest.mark.parametrize("language", ["en", "zh", "xx"])
def test_every_cause_has_words_that_are_spoken(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = sounds.render(language)
    assert {"failed", "config", "gave_up", *WORDS_FOR.values()} == sounds.WORDS["en"].keys()
    for key in sounds.WORDS["en"]:
        words_s = (rendered[f"gave_up:{key}"].size - rendered["gave_up"].size) / sounds.RATE_HZ
        assert 0.5 < words_s < 5.0, key
        assert np.abs(rendered[f"failing:{key}"]).max() == pytest.approx(1.0)
        # Each is played to its end between two times that systemd asks for progress.
        assert rendered[f"failing:{key}"].size / sounds.RATE_HZ < 10.0
    problems: list[str] = []
    monkeypatch.setattr(sounds, "SpeechWorker", partial(SpeechWorker, command=("false",)))
    assert sounds.render(language, problems.append).keys() == {"failed", "gave_up", "failing"}
    assert len(problems) == 1 and "no words" in problems[0]


def test_the_supervisor_needs_neither_numpy_nor_a_synthesizer() -> None:
    code = "import sys, sonar.service.supervisor.runner; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not {"numpy", "av", "psutil", "pydantic", "cv2", "prometheus_client"} & set(
        done.stdout.split()
    )
    command = alarms.players("hw:1")[-1]  # needs nothing else
    assert command[0] == sys.executable
    exec(command[-1].rsplit("play_wav(", 1)[0], {})  # what it imports is there
