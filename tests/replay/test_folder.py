"""A folder for results that holds other things: inputs, the user's files, an older run."""

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sonar.errors import OutputError
from sonar.lab.simulate.scenario import names as scenario_names
from sonar.replay.batch import plan
from sonar.replay.folder import LIST, output_folder
from sonar.types import Frame
from tests.cli.conftest import Run, sonar, write_video

__all__ = ["sonar"]  # the fixture


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def image(path: Path) -> bytes:
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 255, (96, 128, 3), np.uint8))
    return path.read_bytes()


def one_sentence(err: str) -> bool:
    return err.startswith("sonar: ") and err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.parametrize("link", ["same", "other path", "symlink", "hard link"])
def test_a_recording_is_never_overwritten(sonar: Run, tmp_path: Path, link: str) -> None:
    recording = write_video(tmp_path / "real.mp4", frames=3)
    out = tmp_path / "w"
    out.mkdir()
    spec: Path | str = "real.mp4"
    if link in ("same", "other path"):
        recording = recording.rename(out / "annotated.mp4")
        spec = "w/annotated.mp4" if link == "same" else f"w/../{out.name}/./annotated.mp4"
    elif link == "symlink":
        (out / "annotated.mp4").symlink_to(recording)
    else:
        os.link(recording, out / "annotated.mp4")
    before = recording.read_bytes()
    code, _, err = sonar("replay", spec, "--out", "w")
    assert code == 3 and one_sentence(err) and "annotated.mp4" in err
    assert recording.read_bytes() == before
    assert files(out) == {"annotated.mp4"}


def test_the_baseline_is_an_input(sonar: Run, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=3)
    assert sonar("replay", "a.mp4", "--out", "w", "--no-video")[0] == 0
    before = (tmp_path / "w" / "events.jsonl").read_bytes()
    code, _, err = sonar("replay", "a.mp4", "--out", "w", "--baseline", "w")
    assert code == 3 and one_sentence(err)
    assert (tmp_path / "w" / "events.jsonl").read_bytes() == before


def test_one_recording_of_a_batch_in_the_way_of_another(sonar: Run, tmp_path: Path) -> None:
    (tmp_path / "w" / "a").mkdir(parents=True)
    write_video(tmp_path / "w" / "a.mp4", frames=3)
    other = write_video(tmp_path / "w" / "a" / "annotated.mp4", frames=3)
    before = other.read_bytes()
    code, _, err = sonar("replay", "w/a.mp4", "w/a/annotated.mp4", "--out", "w")
    assert code == 3 and one_sentence(err) and other.read_bytes() == before


def test_names_that_a_disk_may_take_for_one_get_a_number() -> None:
    composed, apart = "caf\u00e9", "cafe\u0301"
    names = [*plan([f"x/{composed}.mp4", f"y/{apart.upper()}.mp4"])]
    assert names == [composed, f"{apart.upper()}_2"]


def test_depth_beside_its_images(sonar: Run, tmp_path: Path) -> None:
    """The user's own file stays; ours are written again; results are no inputs of the next run."""
    folder = tmp_path / "p"
    folder.mkdir()
    image(folder / "img.png")
    theirs = image(folder / "img_depth.png")
    code, _, err = sonar("depth", "p/img.png", "--out", "p")
    assert code == 3 and one_sentence(err) and "img_depth.png" in err
    assert (folder / "img_depth.png").read_bytes() == theirs
    assert files(folder) == {"img.png", "img_depth.png"}

    (folder / "img_depth.png").rename(folder / "mine.png")
    assert sonar("depth", "p/img.png", "--out", "p")[0] == 0
    assert sonar("depth", "p/img.png", "--out", "p")[0] == 0
    assert (folder / "mine.png").read_bytes() == theirs
    code, _, err = sonar("depth", "p/img.png", "p/img_depth.png", "--out", "p")
    assert code == 3 and one_sentence(err)


def test_a_second_replay_leaves_no_mixture(sonar: Run, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=3)
    out = tmp_path / "w"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    assert sonar("replay", "a.mp4", "--out", "w", "--report")[0] == 0
    assert files(out) >= {"annotated.mp4", "report.html", "notes.txt"}
    assert sonar("replay", "a.mp4", "--out", "w", "--no-video")[0] == 0
    assert files(out) == {
        "audio.wav", "events.jsonl", "frames.jsonl", "summary.json", "notes.txt"
    }  # fmt: skip
    assert (out / "notes.txt").read_text() == "mine"


def test_a_run_that_fails_does_not_look_complete(sonar: Run, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=3)
    (tmp_path / "bad.mp4").write_bytes(b"no video at all")
    assert sonar("replay", "a.mp4", "--out", "w")[0] == 0
    assert sonar("replay", "misspelt.mp4", "--out", "w")[0] == 3
    assert json.loads((tmp_path / "w" / "summary.json").read_text())["complete"] is True
    assert sonar("replay", "bad.mp4", "--out", "w")[0] == 3
    assert files(tmp_path / "w") == set()


def test_a_file_that_is_not_ours_stays(sonar: Run, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=3)
    out = tmp_path / "w"
    out.mkdir()
    (out / "audio.wav").write_bytes(b"a song")
    (out / "annotated.mp4").symlink_to("nowhere")
    code, _, err = sonar("replay", "a.mp4", "--out", "w")
    assert code == 3 and one_sentence(err)
    assert (out / "audio.wav").read_bytes() == b"a song"
    assert not (out / LIST).exists()  # a refusal leaves nothing
    (out / "audio.wav").unlink()
    assert sonar("replay", "a.mp4", "--out", "w")[0] == 3  # the link is not ours either
    (tmp_path / "w" / "annotated.mp4").unlink()
    assert sonar("replay", "a.mp4", "--out", "w")[0] == 0


@pytest.mark.realtime
def test_two_at_once(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=3)
    with output_folder(tmp_path / "w") as folder:
        folder.claim(["audio.wav"])
        words = ["replay", tmp_path / "a.mp4", "--out", tmp_path / "w"]
        second = subprocess.run(
            [sys.executable, "-m", "sonar", *map(str, words)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert second.returncode == 3 and one_sentence(second.stderr)
        assert "another sonar" in second.stderr
        assert files(tmp_path / "w") == set()
        with pytest.raises(OutputError, match="another sonar"), output_folder(tmp_path / "w"):
            pass
    with output_folder(tmp_path / "w"):
        pass  # it is free again


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, usual[1]))
    try:
        with pytest.raises(OutputError, match="be written"), output_folder(tmp_path) as folder:
            folder.claim(["audio.wav"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not list(tmp_path.iterdir())


def test_paths_with_colons(sonar: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative name with a colon is a file for ffmpeg too, not an address."""
    write_video(tmp_path / "2024-05-01T12:30:05.mp4", frames=3)
    out = "2024-05-01T12:31:00+02:00"
    code, _, err = sonar("replay", "2024-05-01T12:30:05.mp4", "--out", out)
    assert code == 0, err
    assert {"annotated.mp4", "audio.wav"} <= files(tmp_path / out)


def test_a_name_that_is_not_utf_8_costs_nobody_the_page(sonar: Run, tmp_path: Path) -> None:
    strange = os.fsdecode(b"caf\xe9")
    write_video(tmp_path / "a.mp4", frames=3)
    (tmp_path / "a.mp4").rename(tmp_path / f"{strange}.mp4")
    write_video(tmp_path / "b.mp4", frames=3)
    words = ("replay", f"{strange}.mp4", "b.mp4", "--out", "out", "--report")
    code, _, err = sonar(*words)
    assert code == 0, err
    summary = json.loads((tmp_path / "out" / strange / "summary.json").read_text("utf-8"))
    assert summary["source"] == "caf\\xe9.mp4" and summary["complete"] is True
    assert 'href="caf%E9/report.html"' in (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "caf\\xe9.mp4" in (tmp_path / "out" / strange / "report.html").read_text("utf-8")


def test_a_jump_in_time_ends_a_replay_with_a_sentence(
    sonar: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sonar.capture.video import VideoFileSource

    write_video(tmp_path / "a.mp4", frames=5)
    read = VideoFileSource.read

    def jump(self: VideoFileSource, timeout_s: float) -> Frame | None:
        frame = read(self, timeout_s)
        return frame if frame is None or frame.id < 3 else replace(frame, t=frame.t + 1e10)

    monkeypatch.setattr(VideoFileSource, "read", jump)
    code, _, err = sonar("replay", "a.mp4", "--out", "w", "--plain")
    assert code == 3 and "jump" in err
    summary = json.loads((tmp_path / "w" / "summary.json").read_text())
    assert summary["complete"] is False and summary["frames"] == 3
    assert (tmp_path / "w" / "audio.wav").stat().st_size < 1_000_000


def test_figures_and_simulated_walks_go_over_nothing_either(sonar: Run, tmp_path: Path) -> None:
    """Refused before the work begins."""
    data = tmp_path / "data"
    data.mkdir()
    image(data / "a_rgb.png")
    (data / "a_depth.png").write_bytes(b"not read before")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "evaluation.json").write_text("mine")
    code, _, err = sonar("evaluate", "data", "--out", "out")
    assert code == 3 and one_sentence(err) and "evaluation.json" in err
    assert (tmp_path / "out" / "evaluation.json").read_text() == "mine"

    name = scenario_names()[0]
    (tmp_path / "walks" / name).mkdir(parents=True)
    (tmp_path / "walks" / name / "video.mp4").write_bytes(b"mine")
    code, _, err = sonar("simulate", name, "--out", "walks")
    assert code == 3 and one_sentence(err) and "video.mp4" in err
    assert (tmp_path / "walks" / name / "video.mp4").read_bytes() == b"mine"
