"""Many recordings: one bad one, a crash, an interruption, and going on afterwards."""

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from sonar.config import SonarConfig
from sonar.errors import ConfigError
from sonar.replay.batch.page import write_batch
from sonar.replay.batch.plan import Job, find_videos, plan
from sonar.replay.batch.run import Done, Options, fingerprint, worst
from tests.cli.conftest import Run, sonar, spawn, write_video

__all__ = ["sonar"]  # the fixture


def codes(out: Path) -> dict[str, int]:
    document = json.loads((out / "batch.json").read_text())
    return {one["name"]: one["code"] for one in document["recordings"]}


def test_a_folder_with_a_bad_file_goes_on_and_is_resumed(sonar: Run, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    write_video(clips / "a.mp4", frames=5)
    (clips / "b <i>.mp4").write_text("no video")
    write_video(clips / "c.MP4", frames=5)
    (clips / "notes.txt").write_text("not looked at")
    code, said, err = sonar("replay", clips, "--out", "out", "--report", "--jobs", "2")
    out = tmp_path / "out"
    assert code == 3 and "2 of 3 recordings done" in said and "Traceback" not in err
    assert codes(out) == {"a": 0, "b <i>": 3, "c": 0}
    page = (out / "index.html").read_text()
    assert 'href="a/report.html"' in page and "b &lt;i&gt;" in page and "<i>" not in page
    assert {"annotated.mp4", "report.html"} <= {f.name for f in (out / "a").iterdir()}

    before = (out / "a" / "annotated.mp4").stat().st_mtime_ns
    write_video(clips / "c.MP4", frames=7)  # this one has changed
    code, _, err = sonar("replay", clips, "--out", "out", "--report", "--resume")
    assert code == 3 and err.count("complete already") == 1
    assert (out / "a" / "annotated.mp4").stat().st_mtime_ns == before
    assert json.loads((out / "c" / "summary.json").read_text())["frames"] == 7


def test_several_videos_and_one_of_them_missing(sonar: Run, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=3)
    code, out, _ = sonar(
        "replay", "a.mp4", "nowhere.mp4", "--out", "out", "--no-video", "--json"
    )  # fmt: skip
    assert code == 3
    told = json.loads(out)
    assert [one["code"] for one in told["recordings"]] == [0, 3]
    assert "nowhere.mp4" in told["recordings"][1]["problem"]


@pytest.mark.realtime
def test_an_interrupted_batch_ends_in_order_and_can_go_on(tmp_path: Path) -> None:
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


@pytest.mark.realtime
def test_a_killed_worker_costs_its_recording_only(tmp_path: Path) -> None:
    write_video(tmp_path / "long.mp4", frames=400)
    write_video(tmp_path / "short.mp4", frames=3)
    out = tmp_path / "out"
    words = ("replay", tmp_path / "long.mp4", tmp_path / "short.mp4", "--out", out, "--realtime")
    process = spawn(*words, "--no-video")
    frames = out / "long" / "frames.jsonl"
    deadline = time.monotonic() + 90
    while not (frames.exists() and frames.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in _children(process.pid):
        if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 1 and "signal 9" in err
    assert codes(out) == {"long": 1, "short": 0}


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def test_folders_are_named_after_recordings_and_never_shared(tmp_path: Path) -> None:
    jobs = plan(["x/walk.mp4", "y/Walk.mov", "y/other.mp4"], tmp_path)
    assert [job.name for job in jobs] == ["walk", "Walk_2", "other"]
    with pytest.raises(ConfigError, match="twice"):
        plan(["x/walk.mp4", "./x/walk.mp4"], tmp_path)


def test_what_is_a_batch(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"x")
    (tmp_path / "films").mkdir()
    for name in ("b.mp4", "a.MOV", ".hidden.mp4"):
        (tmp_path / "films" / name).write_bytes(b"x")
    films = [str(tmp_path / "films" / name) for name in ("a.MOV", "b.mp4")]
    assert find_videos(["walk.mp4"]) is None
    assert find_videos([str(tmp_path / "pictures")]) is None
    assert find_videos([str(tmp_path / "films")]) == films
    assert find_videos([str(tmp_path / "films"), "walk.mp4"]) == [*films, "walk.mp4"]


@pytest.mark.parametrize("suffix", [".ts", ".h264", ".h265", ".wmv", ".flv", ".MTS", ".mjpeg"])
def test_a_folder_is_searched_for_every_kind_of_video(tmp_path, suffix):
    (tmp_path / f"walk{suffix}").touch()
    (tmp_path / "walk.truth.yaml").touch()
    assert find_videos([str(tmp_path)]) == [str(tmp_path / f"walk{suffix}")]


def test_what_is_left_out_of_a_folder_is_named(tmp_path, caplog):
    for name in ("walk.mp4", "walk.truth.yaml", "clip.rm", "photo.jpg", ".hidden.rm"):
        (tmp_path / name).touch()
    assert find_videos([str(tmp_path)]) == [str(tmp_path / "walk.mp4")]
    assert f"Left out of {tmp_path}: clip.rm, photo.jpg." in caplog.text


def test_a_fingerprint_depends_on_what_matters(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    job = Job("a", str(tmp_path / "a.mp4"), tmp_path / "a")
    config = SonarConfig()
    first = fingerprint(job, config, Options())
    assert fingerprint(job, config, Options()) == first
    louder = config.model_copy(update={"audio": config.audio.model_copy(update={"pan_db": 20.0})})
    assert fingerprint(job, louder, Options()) != first
    assert fingerprint(job, config, Options(report=True)) != first
    (tmp_path / "a.mp4").write_bytes(b"xy")
    assert fingerprint(job, config, Options()) != first


def test_one_exit_code_for_all(tmp_path: Path) -> None:
    job = Job("a", "a.mp4", tmp_path / "a")
    results = [Done(job, code, "", {}) for code in (0, 5, 3)]
    assert (worst(results), worst([])) == (5, 0)
    assert write_batch(tmp_path, results)["code"] == 5


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
    words = ("replay", "a.mp4", "b.mp4", "--no-video", "--out", "new", "--resume")
    assert sonar(*words)[0] == 0
    shutil.copytree(tmp_path / "new", tmp_path / "old")
    code, _, err = sonar(*words, "--baseline", "old")  # what is complete is checked too
    assert code == 0 and err.count("0 differences in what is heard of") == 2
    events = tmp_path / "old" / "b" / "events.jsonl"
    lines = [line for line in events.read_text().splitlines() if '"ready"' not in line]
    events.write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "expect.yaml").write_text("a:\n  - between 0 s and 1 s: stop, center\n")
    code, out, err = sonar(*words, "--baseline", "old", "--expect", "expect.yaml", "--json")
    assert code == 1 and "extra: ready" in err and "1 difference in what is heard of a" in err
    told = {one["name"]: one["differences"] for one in json.loads(out)["recordings"]}
    assert len(told["a"]) == 1 and "stop, center" in told["a"][0]
    assert told["b"] and all("extra" in line for line in told["b"])
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
