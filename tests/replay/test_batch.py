"""Many recordings: one bad one, an interruption, a baseline."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from sonar.errors import ConfigError, ModelError, SourceError
from sonar.pipeline import Outcome
from sonar.replay.batch import find_videos, plan, run_batch, write_batch
from sonar.replay.session import ReplayResult
from tests.cli.conftest import Run, sonar, spawn, write_video

__all__ = ["sonar"]  # the fixture


def codes(out: Path) -> dict[str, int]:
    document = json.loads((out / "batch.json").read_text())
    return {one["name"]: one["code"] for one in document["recordings"]}


def test_a_folder_with_a_bad_file_goes_on(sonar: Run, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    write_video(clips / "a.mp4", frames=5)
    (clips / "b <i>.mp4").write_text("no video")
    write_video(clips / "c.MP4", frames=5)
    (clips / "notes.txt").write_text("not looked at")
    code, said, err = sonar("replay", clips, "nowhere.mp4", "--out", "out", "--report", "--json")
    out = tmp_path / "out"
    assert code == 3 and "4 of 4: nowhere.mp4: " in err and "Traceback" not in err
    assert codes(out) == {"a": 0, "b <i>": 3, "c": 0, "nowhere": 3}
    assert json.loads(said) == json.loads((out / "batch.json").read_text())
    assert "nowhere.mp4" in json.loads(said)["recordings"][3]["problem"]
    page = (out / "index.html").read_text()
    assert "2 of 4 recordings are complete" in page
    assert 'href="a/report.html"' in page and "b &lt;i&gt;" in page and "<i>" not in page
    assert {"annotated.mp4", "report.html"} <= {f.name for f in (out / "a").iterdir()}


@pytest.mark.realtime
def test_an_interrupted_batch_ends_in_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}.mp4", frames=200)
    out = tmp_path / "out"
    words = ("replay", tmp_path / "a.mp4", tmp_path / "b.mp4", "--out", out, "--realtime")
    process = spawn(*words, "--no-video")
    frames = out / "a" / "frames.jsonl"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if frames.exists() and frames.read_text().count("\n") >= 3:
            break
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert codes(out) == {"a": 130, "b": 130}
    assert json.loads((out / "a" / "summary.json").read_text())["interrupted"] is True
    assert not (out / "b").exists()


def test_a_fault_of_ours_costs_that_recording_only(tmp_path: Path) -> None:
    def broken(spec: str, out: Path) -> ReplayResult:
        raise ValueError(f"nobody thought of {spec}")

    lines: list[str] = []
    done = run_batch(plan(["a.mp4", "b.mp4"]), tmp_path, broken, lines.append)
    assert [one["code"] for one in done] == [1, 1]
    assert [line[:6] for line in lines] == ["1 of 2", "2 of 2"]
    assert done[1]["problem"] == "ValueError: nobody thought of b.mp4"


def test_folders_are_named_after_recordings_and_never_shared() -> None:
    jobs = plan(["x/walk.mp4", "y/Walk.mov", "y/other.mp4"])
    assert jobs == {"walk": "x/walk.mp4", "Walk_2": "y/Walk.mov", "other": "y/other.mp4"}
    # No result goes beside the folder of results, or where the summary goes.
    assert [*plan(["..", "index.html.mp4"])] == [Path("..").resolve().name, "index.html_2"]
    with pytest.raises(ConfigError, match="twice"):
        plan(["x/walk.mp4", "./x/walk.mp4"])


def test_what_is_a_batch(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"x")
    (tmp_path / "films").mkdir()
    names = ["a.MOV", "b.mp4", "c.ts", "d.h264", "e.wmv", "f.flv", "g.MTS", "h.mjpeg"]
    for name in (*names, ".hidden.mp4", "a.truth.yaml"):
        (tmp_path / "films" / name).write_bytes(b"x")
    films = [str(tmp_path / "films" / name) for name in names]
    assert find_videos(["walk.mp4"]) is None
    assert find_videos([str(tmp_path / "images")]) is None
    assert find_videos([str(tmp_path / "films")]) == films
    assert find_videos([str(tmp_path / "films"), "walk.mp4"]) == [*films, "walk.mp4"]


def test_what_is_left_out_of_a_folder_is_named(tmp_path, caplog):
    for name in ("walk.mp4", "walk.truth.yaml", "clip.rm", "photo.jpg", ".hidden.rm"):
        (tmp_path / name).touch()
    assert find_videos([str(tmp_path)]) == [str(tmp_path / "walk.mp4")]
    assert f"2 files left out of {tmp_path}, such as clip.rm, photo.jpg." in caplog.text


def test_one_exit_code_for_all(tmp_path: Path) -> None:
    codes = iter([0, 5, 3])

    def ends(spec: str, out: Path) -> ReplayResult:
        return ReplayResult(Outcome(error=errors.get(next(codes))), {})

    errors = {5: ModelError("no model"), 3: SourceError("no video")}
    done = run_batch(plan(["a", "b", "c"]), tmp_path, ends, lambda line: None)
    assert [one["problem"] for one in done] == [None, "no model", "no video"]
    assert write_batch(tmp_path, done)["code"] == 5
    assert write_batch(tmp_path, [])["code"] == 0


def test_a_report_of_one_recording_and_of_one_that_breaks_off(sonar: Run, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", frames=40)
    assert sonar("replay", whole, "--out", "whole", "--report")[0] == 0
    assert "40 frames" in (tmp_path / "whole" / "report.html").read_text()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    code, _, err = sonar("replay", cut, "--out", "cut", "--report")
    text = (tmp_path / "cut" / "report.html").read_text()
    assert code in (0, 3) and "Traceback" not in err
    assert ("ended early" in text) == (code == 3)


def test_a_batch_against_a_baseline_and_expectations(sonar: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}.mp4", frames=6)
    words = ("replay", "a.mp4", "b.mp4", "--no-video", "--out", "new")
    assert sonar(*words)[0] == 0
    shutil.copytree(tmp_path / "new", tmp_path / "old")
    code, _, err = sonar(*words, "--baseline", "old")
    assert code == 0 and err.count("0 differences in what is heard of") == 2
    events = tmp_path / "old" / "b" / "events.jsonl"
    lines = [line for line in events.read_text().splitlines() if '"ready"' not in line]
    events.write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "expect.yaml").write_text("a:\n  - between 0 s and 1 s: stop, center\n")
    code, out, err = sonar(*words, "--baseline", "old", "--expect", "expect.yaml", "--json")
    assert code == 1 and "extra: ready" in err and "1 difference in what is heard of a" in err
    found = {one["name"]: one["differences"] for one in json.loads(out)["recordings"]}
    assert len(found["a"]) == 1 and "stop, center" in found["a"][0]
    assert found["b"] and all("extra" in line for line in found["b"])
    page = (tmp_path / "new" / "index.html").read_text()
    assert "Different in b" in page and "stop, center" in page

    (tmp_path / "old" / "a" / "events.jsonl").unlink()  # a recording that is new
    code, _, err = sonar(*words, "--baseline", "old")
    assert code == 1 and "no such recording" in err


def test_what_cannot_be_checked_is_reported_before_the_work(sonar: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}.mp4", frames=3)
    words = ("replay", "a.mp4", "b.mp4", "--out", "out")
    code, _, err = sonar(*words, "--baseline", "old")
    assert code == 3 and "holds no run of a or b" in err
    (tmp_path / "expect.yaml").write_text("c:\n  - between 0 s and 1 s: close\n")
    code, _, err = sonar(*words, "--expect", "expect.yaml")
    assert code == 2 and "no recording c, only a, b" in err
    assert not (tmp_path / "out").exists()
