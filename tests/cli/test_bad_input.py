"""Bad input: one clear sentence, the right exit code, no traceback, nothing lost."""

import json
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from sonar.audio.speech.bank import SpeechBank
from sonar.capture.images import STILL_FRAMES
from tests.cli.conftest import Run, spawn, write_video


def one_sentence(err: str) -> bool:
    lines = [line for line in err.splitlines() if line.startswith("sonar:")]
    return len(lines) == 1 and "Traceback" not in err


def playable(out: Path) -> tuple[int, int]:
    """Frames and samples that a player gets from the MP4; the WAV must open too."""
    with wave.open(str(out / "audio.wav"), "rb") as file:
        assert file.getnchannels() == 2
        length = file.getnframes()
    with av.open(str(out / "annotated.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    return frames, length


def records(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "frames.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("name", "content"),
    [("text.mp4", b"this is not a video\n" * 20), ("empty.mp4", b"")],
)
def test_files_that_are_no_video(sonar: Run, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    code, _, err = sonar("replay", name, "--out", "out")
    assert code == 3 and one_sentence(err) and name in err


def test_a_missing_file_and_an_empty_folder(sonar: Run, tmp_path: Path) -> None:
    code, _, err = sonar("replay", "nowhere.mp4", "--out", "out")
    assert code == 3 and one_sentence(err) and "nowhere.mp4" in err
    (tmp_path / "pictures").mkdir()
    code, _, err = sonar("replay", "pictures", "--out", "out")
    assert code == 3 and one_sentence(err)


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


@pytest.mark.parametrize(
    "picture",
    [
        np.full((1, 1, 3), 90, np.uint8),
        np.random.default_rng(0).integers(0, 255, (33, 4000, 3), np.uint8),
        np.random.default_rng(0).integers(0, 255, (64, 80), np.uint8),
        np.random.default_rng(0).integers(0, 65535, (64, 80, 3), np.uint16),
        np.random.default_rng(0).integers(0, 255, (64, 80, 4), np.uint8),
    ],
    ids=["1x1", "33x4000", "grey", "16 bit", "rgba"],
)
def test_odd_pictures_get_a_depth_or_a_reason(
    sonar: Run, tmp_path: Path, picture: np.ndarray
) -> None:
    cv2.imwrite(str(tmp_path / "odd.png"), picture)
    code, _, err = sonar("depth", "odd.png", "--out", "out")
    assert code in (0, 5) and "Traceback" not in err
    if code == 0:
        values = np.load(tmp_path / "out" / "odd_depth.npy")
        assert values.dtype == np.float32 and np.isfinite(values).all()
        assert cv2.imread(str(tmp_path / "out" / "odd_depth16.png"), -1).dtype == np.uint16
    else:
        assert one_sentence(err)
    code, _, err = sonar("replay", "odd.png", "--out", "replay")
    assert code == 0 and "Traceback" not in err
    assert len(records(tmp_path / "replay")) == STILL_FRAMES


def test_floating_point_images(sonar: Run, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).random((64, 80, 3)).astype(np.float32)
    picture[10:30] = np.nan
    cv2.imwrite(str(tmp_path / "nan.tiff"), picture)
    code, _, err = sonar("depth", "nan.tiff", "--out", "out")
    assert code == 3 and "convert it to PNG" in err and one_sentence(err)


def test_an_absent_camera(sonar: Run) -> None:
    code, _, err = sonar("run", "camera:93")
    assert code == 4 and one_sentence(err)


def test_an_absent_stream_does_not_tell_its_password(sonar: Run) -> None:
    code, out, err = sonar(
        "run", "http://anna:secret@127.0.0.1:9/live", "--set", "capture.open_timeout_s=1"
    )
    assert code in (3, 4) and "secret" not in out + err and one_sentence(err)


def test_a_sound_card_that_was_asked_for_and_is_not_there(sonar: Run, video: Path) -> None:
    code, _, err = sonar(
        "run", video, "--set", "audio.output=device", "--set", "audio.device=no such thing"
    )
    assert code == 4 and one_sentence(err)


def test_models_that_are_missing_or_damaged(sonar: Run, tmp_path: Path, video: Path) -> None:
    code, _, err = sonar("replay", video, "--out", "out", "--set", "engine.model=nothing.onnx")
    assert code == 5 and one_sentence(err) and "nothing.onnx" in err
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x07garbage" * 50)
    code, _, err = sonar("replay", video, "--out", "out", "--set", "engine.model=./bad.onnx")
    assert code == 5 and one_sentence(err) and "bad.onnx" in err
    assert not (tmp_path / "out" / "annotated.mp4").exists()


def test_wrong_configuration(sonar: Run, tmp_path: Path, video: Path) -> None:
    (tmp_path / "my.yaml").write_text("audio:\n  volumedb: 3\n")
    code, _, err = sonar("replay", video, "--out", "out", "--config", "my.yaml")
    assert code == 2 and "my.yaml" in err and "volume_db" in err and "2" in err
    code, _, err = sonar("replay", video, "--out", "out", "--set", "zones.bands.stop_m=9")
    assert code == 2 and one_sentence(err)


def test_usage_errors(sonar: Run) -> None:
    assert sonar("replay")[0] == 2
    assert sonar("fly")[0] == 2
    assert sonar("replay", "x.mp4", "--out", "o", "--fast")[0] == 2


def test_an_output_folder_that_cannot_be_made(sonar: Run, tmp_path: Path, video: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = sonar("replay", video, "--out", "file/out")
    assert code == 3 and one_sentence(err)


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
