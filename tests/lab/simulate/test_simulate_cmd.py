"""``sonar simulate`` as it is used."""

import csv
import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from simulate_kit import need_mujoco

from sonar.cli.root import execute as run
from sonar.lab.evaluate.labels import find_clips
from sonar.lab.simulate.record import record
from sonar.lab.simulate.scenario import names

MINE = """schema: sonar.scenario/1
about: a pole in the way
ground: {area: [-3, -2, 3, 8], ceiling_m: 2.6}
things:
  - {kind: pole, at: [0, 1.6], radius_m: 0.2}
walk: {route: [[0, 3]]}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    return file


def test_list_is_all_with_a_word_about_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(names())
    assert run(["simulate", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(names())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["corridr", "--closed-loop"], "nearest is corridor"),
        (["corridor"], "--out names the folder"),
        (["corridor", "--closed-loop", "--depth", "exat"], "'--depth'"),
    ],
)
def test_mistakes(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", *words]) == 2
    assert message in capsys.readouterr().err


def test_without_mujoco(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    assert run(["simulate", str(mine), "--closed-loop"]) == 2
    assert "sonar-assist[sim]" in capsys.readouterr().err


def test_a_recorded_walk(
    mine: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    need_mujoco()
    out = tmp_path / "walks"
    monkeypatch.setitem(record.__kwdefaults__, "size", (96, 128))  # small, for speed
    assert run(["simulate", str(mine), "--out", str(out), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    folder = out / "mine"
    assert report["folder"] == str(folder)
    with av.open(str(folder / "video.mp4")) as film:
        images = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(images) == report["frames"] > 30
    assert images[0].shape == (96, 128, 3)
    with (folder / "poses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == report["frames"]
    with np.load(folder / "depth.npz") as stored:
        assert list(stored["frame"][:3]) == [0, 5, 10]
        meters = stored["depth_mm"][0] / 1000.0
    assert meters.shape == (24, 32)
    assert meters[12, 16] == pytest.approx(1.45, abs=0.15), "the pole, straight ahead"
    (clip,) = find_clips(out)
    touched = [event for event in clip.truth.events if event.contact_s is not None]
    assert [event.kind for event in touched] == ["obstacle"]
    # From y = 0 at 1 m/s until the body, 0.25 m wide, meets the pole's face at 1.4 m.
    assert touched[0].contact_s == pytest.approx(1.15, abs=0.2)
    assert "height_m: 1.35" in (folder / "config.yaml").read_text()


def test_a_closed_loop(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need_mujoco()
    assert run(["simulate", str(mine), "--closed-loop", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    ways = {way["way"]: way for way in document["ways"]}
    assert set(ways) == {"without sonar", "sonar, exact depth"}
    assert ways["without sonar"]["contacts"] == 1
    assert ways["sonar, exact depth"]["contacts"] == 0
