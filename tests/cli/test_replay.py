"""`sonar replay`: what it leaves behind, whatever comes in or between."""

import json
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import av
import jsonschema
import numpy as np
import pytest

from sonar.audio.speech.bank import SpeechBank
from sonar.records import Event, FrameRecord
from tests.cli.conftest import Run, one_sentence, playable, records, spawn, write_video

SIDES = ("left", "center", "right")


@pytest.fixture
def replayed(sonar: Run, video: Path, tmp_path: Path) -> Path:
    code, out, err = sonar("replay", video, "--out", "run")
    assert code == 0, err
    assert "20 frames, 2.0 s" in out
    return tmp_path / "run"


def test_every_file_is_there_and_agrees(replayed: Path) -> None:
    names = {"annotated.mp4", "audio.wav", "events.jsonl", "frames.jsonl", "summary.json"}
    assert {path.name for path in replayed.iterdir()} == {*names, ".sonar-files"}
    lines = [json.loads(line) for line in (replayed / "frames.jsonl").read_text().splitlines()]
    schema = FrameRecord.model_json_schema(by_alias=True)
    for line in lines:
        jsonschema.validate(line, schema)
    assert [line["frame"] for line in lines] == list(range(20))
    assert [line["t"] for line in lines] == pytest.approx(np.arange(20) / 10, abs=1e-3)
    assert set(lines[3]["latency_ms"]) == {"capture", "depth", "zones", "audio", "total"}
    for line in (replayed / "events.jsonl").read_text().splitlines():
        jsonschema.validate(json.loads(line), Event.model_json_schema(by_alias=True))
    summary = json.loads((replayed / "summary.json").read_text())
    assert summary["complete"] is True and summary["frames"] == 20
    assert all(sum(summary["zones"][side].values()) == 20 for side in SIDES)


def test_video_and_sound_are_in_step(replayed: Path) -> None:
    with av.open(str(replayed / "annotated.mp4")) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
        audio = container.streams.audio[0]
        assert audio.codec_context.name == "aac" and audio.codec_context.layout.nb_channels == 2
    assert times == pytest.approx(np.arange(20) / 10, abs=2e-3)
    with wave.open(str(replayed / "audio.wav")) as file:
        assert (file.getframerate(), file.getnchannels()) == (48_000, 2)
        assert 2.0 <= file.getnframes() / 48_000 <= 2.9
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
    with av.open(str(replayed / "annotated.mp4")) as container:
        heard = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    # The sound in the video is the WAV: same loudness curve, block by block.
    wav = samples.reshape(-1, 2).T[:, : heard.shape[1]]
    size = wav.shape[1] // 4800 * 4800
    curves = [np.sqrt((x[:, :size].reshape(2, -1, 4800) ** 2).mean(axis=2)) for x in (wav, heard)]
    assert np.corrcoef(curves[0].ravel(), curves[1].ravel())[0, 1] > 0.95


def test_the_same_run_twice_is_the_same(sonar: Run, video: Path, tmp_path: Path) -> None:
    assert sonar("replay", video, "--out", "a", "--no-video")[0] == 0
    assert not (tmp_path / "a" / "annotated.mp4").exists()
    code, _, err = sonar("replay", video, "--out", "b", "--no-video", "--baseline", "a")
    assert code == 0 and "0 differences" in err
    assert (tmp_path / "a/audio.wav").read_bytes() == (tmp_path / "b/audio.wav").read_bytes()


def test_expectations_that_fail_are_reported(sonar: Run, video: Path, tmp_path: Path) -> None:
    (tmp_path / "expect.yaml").write_text("- between 0 s and 2 s: stop, center\n")
    code, _, err = sonar("replay", video, "--out", "run", "--no-video", "--expect", "expect.yaml")
    assert code == 1 and "stop, center" in err and "1 difference in" in err


def test_json_is_the_summary_and_nothing_else(sonar: Run, video: Path, tmp_path: Path) -> None:
    code, out, err = sonar("replay", video, "--out", "run", "--no-video", "--json")
    assert code == 0 and "%" not in err
    assert json.loads(out) == json.loads((tmp_path / "run" / "summary.json").read_text())


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("text.mp4 --out out", 3, "text.mp4"),
        ("empty.mp4 --out out", 3, "empty.mp4"),
        ("nowhere.mp4 --out out", 3, "nowhere.mp4"),
        ("images --out out", 3, "images"),
        ("walk.mp4 --out text.mp4/out", 3, "text.mp4/out"),
        ("walk.mp4 --out out --set engine.model=nothing.onnx", 5, "nothing.onnx"),
        ("walk.mp4 --out out --set engine.model=./bad.onnx", 5, "bad.onnx"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    sonar: Run, video: Path, words: str, code: int, says: str
) -> None:
    (video.parent / "text.mp4").write_bytes(b"this is not a video\n" * 20)
    (video.parent / "empty.mp4").touch()
    (video.parent / "images").mkdir()
    (video.parent / "bad.onnx").write_bytes(b"\x08\x07garbage" * 50)
    found, _, err = sonar("replay", *words.split())
    assert found == code and one_sentence(err) and says in err
    assert not (video.parent / "out" / "annotated.mp4").exists()


def test_a_truncated_video_keeps_what_was_read(sonar: Run, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", frames=60)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    code, out, err = sonar("replay", cut, "--out", "out")
    assert code in (0, 3) and "Traceback" not in err
    done = records(tmp_path / "out")
    assert 5 < len(done) < 60
    assert playable(tmp_path / "out")[0] == len(done)
    assert str(len(done)) in out  # it says how far it came


@pytest.mark.parametrize("size", [(96, 128), (34, 400)])
def test_a_video_of_one_frame(sonar: Run, tmp_path: Path, size: tuple[int, int]) -> None:
    source = write_video(tmp_path / "one.mp4", frames=1, size=size)
    code, _, _ = sonar("replay", source, "--out", "out")
    assert code == 0
    assert len(records(tmp_path / "out")) == 1
    assert playable(tmp_path / "out")[0] == 1


@pytest.mark.realtime
def test_a_full_disk_leaves_playable_files(tmp_path: Path) -> None:
    source = write_video(tmp_path / "long.mp4", frames=120)
    out = tmp_path / "out"
    process = spawn("replay", source, "--out", out, file_limit_bytes=400_000)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 3 and one_sentence(err), err
    done = records(out)
    assert 0 < len(done) < 120
    frames, samples = playable(out)
    assert frames > 0 and samples > 0
    assert json.loads((out / "summary.json").read_text())["complete"] is False


def test_without_a_synthesizer_the_tones_go_on(
    sonar: Run, tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    dead = (sys.executable, "-c", "raise SystemExit(3)")
    monkeypatch.setitem(SpeechBank.__init__.__kwdefaults__, "command", dead)
    code, _, err = sonar("replay", video, "--out", "out")
    assert code == 0 and "speech" in err and "Traceback" not in err
    assert playable(tmp_path / "out")[0] == 20
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["speech"]["lost"]


def replaying(out: Path, frames: int) -> subprocess.Popen[str]:
    """A replay of a long recording that has come to so many frames."""
    source = write_video(out.with_name("long.mp4"), frames=600)
    process = spawn("replay", source, "--out", out, "--realtime")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = out / "frames.jsonl"
        if found.exists() and found.read_text().count("\n") >= frames:
            break
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


@pytest.mark.realtime
def test_ctrl_c_in_the_middle(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = replaying(out, frames=5)
    process.send_signal(signal.SIGINT)
    said, err = process.communicate(timeout=20)
    assert process.returncode == 130 and "Traceback" not in err
    done = records(out)
    assert 5 <= len(done) < 600 and f"{len(done)} frames" in said
    assert playable(out)[0] == len(done)
    assert json.loads((out / "summary.json").read_text())["interrupted"] is True


@pytest.mark.realtime
def test_a_killed_replay_leaves_playable_files(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = replaying(out, frames=35)
    process.kill()
    process.communicate(timeout=20)
    frames, samples = playable(out)
    assert frames >= 10 and samples >= 2 * 48_000
    for line in (out / "frames.jsonl").read_text().splitlines():
        json.loads(line)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(sonar: Run, tmp_path: Path, video: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    code, _, err = sonar("replay", video, "--out", locked / "out")
    assert code == 3 and one_sentence(err)
