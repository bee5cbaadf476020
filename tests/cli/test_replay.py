"""`sonar replay`, `demo`, `depth`: what they leave behind."""

import json
import wave
from pathlib import Path

import av
import cv2
import jsonschema
import numpy as np
import pytest

from sonar.records import Event, FrameRecord
from tests.cli.conftest import Run

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


def test_picture_and_sound_are_in_step(replayed: Path) -> None:
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
    level = [np.sqrt((x[:, :size].reshape(2, -1, 4800) ** 2).mean(axis=2)) for x in (wav, heard)]
    assert np.corrcoef(level[0].ravel(), level[1].ravel())[0, 1] > 0.95


def test_the_same_run_twice_is_the_same(sonar: Run, video: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert sonar("replay", video, "--out", name, "--no-video")[0] == 0
    assert not (tmp_path / "a" / "annotated.mp4").exists()
    assert (tmp_path / "a/audio.wav").read_bytes() == (tmp_path / "b/audio.wav").read_bytes()
    code, _, err = sonar("replay", video, "--out", "c", "--no-video", "--baseline", "a")
    assert code == 0 and "0 differences" in err


def test_expectations_that_fail_are_told(sonar: Run, video: Path, tmp_path: Path) -> None:
    (tmp_path / "expect.yaml").write_text("- between 0 s and 2 s: stop, center\n")
    code, _, err = sonar("replay", video, "--out", "run", "--no-video", "--expect", "expect.yaml")
    assert code == 1 and "stop, center" in err and "1 difference in" in err


def test_json_is_the_summary_and_nothing_else(sonar: Run, video: Path, tmp_path: Path) -> None:
    code, out, err = sonar("replay", video, "--out", "run", "--no-video", "--json")
    assert code == 0 and "%" not in err
    assert json.loads(out) == json.loads((tmp_path / "run" / "summary.json").read_text())


def test_depth_of_a_picture(sonar: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(f"{tmp_path}/{folder}/x.png", rng.integers(0, 255, (120, 160, 3), np.uint8))
    code, out, _ = sonar("depth", "a", "b/x.png", "--out", "out", "--json")
    assert code == 0
    facts = json.loads(out)
    assert [fact["name"] for fact in facts] == ["x", "x_2"]  # neither overwrites the other
    values = np.load(tmp_path / "out" / "x_depth.npy")
    png = cv2.imread(str(tmp_path / "out" / "x_depth16.png"), -1).astype(np.float64)
    low, high = facts[0]["png16_zero"], facts[0]["png16_full"]
    assert low + png / 65535 * (high - low) == pytest.approx(values, abs=(high - low) / 60000)
    heat = cv2.imread(str(tmp_path / "out" / "x_depth.png"))
    assert heat.shape == (*values.shape, 3)
    bright = heat.astype(int).sum(axis=2)
    assert bright[values >= np.quantile(values, 0.98)].mean() > bright.mean()  # bright = near


def test_help_and_version_and_devices(sonar: Run) -> None:
    assert sonar("--version")[1].startswith("sonar ")
    code, out, _ = sonar("--help")
    assert code == 0
    for command in ("run", "replay", "depth", "demo", "doctor", "config", "devices"):
        assert command in out
    code, out, _ = sonar("devices", "--json")
    assert code == 0 and set(json.loads(out)) == {"cameras", "outputs", "trouble"}


def test_doctor_says_what_to_do(sonar: Run) -> None:
    code, out, _ = sonar("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)}
    assert set(findings) == {"model", "sound", "speech", "camera"}
    assert code == 0 and findings["model"]["ok"]
    assert all(finding["ok"] or len(finding["text"]) > 20 for finding in findings.values())
    code, out, _ = sonar("doctor", "--set", "engine.model=missing.onnx")
    assert code == 5 and "MISSING" in out


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_shared_options_stand_anywhere(sonar: Run, place: int) -> None:
    words = ["config", "show"]
    words[min(place, 2) : min(place, 2)] = ["--set", "audio.volume_db=-20", "--json"]
    code, out, _ = sonar(*words)
    assert code == 0 and json.loads(out)["audio"]["volume_db"] == -20


def test_schemas(sonar: Run) -> None:
    code, out, _ = sonar("config", "schema")
    assert code == 0 and "properties" in json.loads(out)
    code, out, _ = sonar("config", "schema", "--records")
    assert code == 0 and set(json.loads(out)) == {"frame", "event"}
