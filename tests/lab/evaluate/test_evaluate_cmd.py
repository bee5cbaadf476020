"""``sonar evaluate`` as people run it: on images and videos."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, sonar, write_video
from tests.lab.evaluate.test_evaluate import write_folder

__all__ = ["sonar"]  # the fixture

LABELS = """schema: sonar.truth/1
fps: 10
events:
  - {from_s: 0.2, to_s: 0.7, kind: obstacle, side: center, nearest_m: 0.7, contact_s: 0.7}
"""
QUICK = ("--set", "engine.precision=int8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of images and two labeled recordings."""
    write_folder(tmp_path / "data" / "box", "box", frames=2)
    for name in ("one", "two"):
        (tmp_path / "data" / name).mkdir()
        write_video(tmp_path / "data" / name / "video.mp4", frames=8)
        (tmp_path / "data" / name / "events_truth.yaml").write_text(LABELS)
    return tmp_path / "data"


def test_images_and_videos_in_one_run(sonar: Run, data: Path, tmp_path: Path) -> None:
    code, out, err = sonar("evaluate", data, "--out", "out", "--json", *QUICK)
    assert code == 0 and "Traceback" not in err
    found = json.loads(out)
    figures = found["places"]["box"]["figures"]
    assert list(figures) == ["sonar", "min-max"] and figures["sonar"]["n"] == 6
    walks = found["recordings"]["sonar"]
    assert walks["clips"] == 2 and walks["events"] == 2
    assert walks["minutes"] == pytest.approx(1.6 / 60, abs=1e-3)
    assert [clip["name"] for clip in walks["recordings"]] == ["one", "two"]
    assert all(clip["frames"] == 8 for clip in walks["recordings"])
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == found
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert "<caption>All recordings</caption>" in page and "://" not in page


def test_models_are_compared_on_the_same_frames(sonar: Run, data: Path) -> None:
    words = ("evaluate", data / "box", "--precision", "fp32", "--precision", "int8")
    code, out, err = sonar(*words, "--json")
    assert code == 0, err
    place = json.loads(out)["places"]["box"]
    assert list(place["figures"]) == ["fp32", "int8", "min-max"]
    assert list(place["compared"]) == ["int8"] and place["seen"]["int8"] == "not trained on"
    assert 0.0 < place["figures"]["int8"]["depth_deviation"] < 0.1
    code, _, err = sonar("evaluate", data / "box", "--precision", "half")
    assert code == 2 and "precision" in err


def test_several_configurations_are_compared(sonar: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "loud.yaml").write_text(
        "speech:\n  verbosity: danger\nengine:\n  precision: int8\n"
    )
    code, out, err = sonar(
        "evaluate", data / "one", "--config", "replay", "--config", "loud.yaml", *QUICK,
        "--model", "builtin", "--out", "out",
    )  # fmt: skip
    assert code == 0, err
    (heads,) = (line.split("  ") for line in out.splitlines() if line.startswith("  Figure"))
    assert [head.strip() for head in heads if head][1:] == ["replay builtin", "loud.yaml builtin"]
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert list(found["models"]) == ["replay builtin", "loud.yaml builtin"]
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert '<th scope="col">loud.yaml builtin</th>' in page


def test_two_configurations_are_for_evaluate_only(sonar: Run) -> None:
    code, _, err = sonar("config", "show", "--config", "replay", "--config", "default")
    assert code == 2 and "only sonar evaluate" in err


def test_what_holds_nothing_is_an_error(sonar: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("x")
    for path, words in (("empty", "holds no pairs"), ("a.txt", "neither"), ("no", "not exist")):
        code, _, err = sonar("evaluate", path)
        assert code == 3 and words in err
    (data / "one" / "video.mp4").write_bytes(b"no video")
    code, _, err = sonar("evaluate", data / "one", *QUICK)
    assert code == 3 and "video.mp4" in err and "Traceback" not in err
