"""The scripts in examples/: each runs, does what it says, and uses the public API alone."""

import ast
import csv
import runpy
import sys
import wave
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import sonar
from sonar.demo import CLIP

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frame of the built-in walk."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    with av.open(str(CLIP)) as video:
        image = next(frame for frame in video.decode(video=0) if frame.time >= 5.0)
        cv2.imwrite(str(path), image.to_ndarray(format="bgr24"))
    return path


def run(name: str, *arguments: object, monkeypatch: pytest.MonkeyPatch) -> None:
    path = next(path for path in EXAMPLES if path.stem == name)
    monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
    runpy.run_path(str(path), run_name="__main__")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_uses_the_public_api_alone(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 60
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("sonar")
        if isinstance(node, ast.Import):
            assert not [name for name in node.names if name.name.startswith("sonar.")]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id != "sonar" or node.attr in sonar.__all__


def test_parallax_moves_what_is_near_against_what_is_far(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two planes: the upper half far, the lower half near."""
    texture = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8), (0, 0), 3
    )
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    planes = np.repeat(np.float32([0.2, 1.0]), 60)[:, None] * np.ones((1, 160), np.float32)
    step = sonar.Step(
        scene=sonar.Scene.unknown(0, 0.0, None),
        cue=sonar.Cue(sonar.CueKind.SILENCE),
        frame=sonar.Frame(texture, 0, 0.0),
        depth=sonar.DepthMap(planes),
        timings_ms={},
    )
    monkeypatch.setattr(sonar, "look", lambda photo: step)
    shown = parallax(photo, tmp_path, monkeypatch)
    flow = cv2.calcOpticalFlowFarneback(shown[37], shown[12], None, 0.5, 3, 25, 3, 7, 1.5, 0)
    far, near = flow[20:90, 40:-40, 0], flow[150:-20, 40:-40, 0]
    assert np.median(near) == pytest.approx(6.4, abs=1.5)  # two times half of 2 % of the width
    assert np.median(far) == pytest.approx(-6.4, abs=1.5)


def parallax(photo: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    run("parallax", photo, folder / "out.mp4", monkeypatch=monkeypatch)
    with av.open(str(folder / "out.mp4")) as video:
        return [frame.to_ndarray(format="gray") for frame in video.decode(video=0)]


def test_parallax_of_a_photo_begins_with_the_photo(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = parallax(photo, tmp_path, monkeypatch)
    assert len(shown) == 50 and shown[0].shape == (480, 640)
    still = cv2.imread(str(photo), cv2.IMREAD_GRAYSCALE)
    assert np.abs(shown[0].astype(int) - still).mean() < 8  # without a shift: the photo itself
    assert np.abs(shown[12].astype(int) - shown[37]).mean() > 3  # the two ends of the swing


def test_the_foreground_is_near_and_inside_the_mask_or_box(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, mask = tmp_path / "out.png", tmp_path / "mask.png"

    def alpha(*more: object) -> np.ndarray:
        run("foreground", photo, out, *more, monkeypatch=monkeypatch)
        cut = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
        assert cut is not None and cut.shape == (480, 640, 4)
        return cut[..., 3] > 0

    near = alpha()
    assert 0.1 < near.mean() < 0.9 and near[400:].mean() > near[:200].mean()
    left = np.zeros((480, 640), np.uint8)
    left[:, :320] = 255
    cv2.imwrite(str(mask), left)
    assert (alpha("--mask", mask) == (near & (left > 0))).all()
    boxed = alpha("--box", "200,200,240,240")
    outside = np.ones((480, 640), bool)
    outside[200:440, 200:440] = False
    assert not (boxed & outside).any()
    cv2.imwrite(str(mask), left[:100])
    with pytest.raises(SystemExit):
        alpha("--mask", mask)


def test_autofocus_finds_the_sharp_plane(
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Blur all but the upper, far part; the subject is at one's feet."""
    image = cv2.imread(str(photo))
    noise = np.random.default_rng(0).integers(0, 40, image.shape, np.uint8)
    image = cv2.add(image, noise)
    image[200:] = cv2.GaussianBlur(image, (0, 0), 6)[200:]
    cv2.imwrite(str(tmp_path / "far.png"), image)
    run("autofocus", tmp_path / "far.png", "--at", "0.5,0.98", monkeypatch=monkeypatch)
    said = capsys.readouterr().out
    assert said.count("plane") == 5 and "subject" in said
    focused = next(line for line in said.splitlines() if "in focus" in line)
    assert int(focused.split()[1]) <= 2, said  # 5 is the nearest
    assert said.splitlines()[-1] == "Focus nearer."


def test_zones_are_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "zones.csv"
    arguments = ("synthetic:box", out, "--height", 1.4, "--seconds", 0.5)
    run("log_zones", *arguments, monkeypatch=monkeypatch)
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert len(rows) > 20 and {row["side"] for row in rows} == {"left", "center", "right"}
    assert float(rows[-1]["t"]) <= 0.5 and rows[-1]["state"] == "guiding"
    assert {row["band"] for row in rows} <= {band.value for band in sonar.Band}


def test_an_own_sound_is_on_the_near_side_and_never_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.wav"
    run("my_sound", "synthetic:box", out, monkeypatch=monkeypatch)
    with wave.open(str(out)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2) / 32768
        assert file.getnframes() / file.getframerate() == pytest.approx(4.0, abs=0.1)
    assert np.abs(np.diff(data, axis=0)).max() < 0.1  # no clicks
    hum = runpy.run_path(str(EXAMPLES[0].with_name("my_sound.py")))["Hum"]()
    left, center, right = (sonar.ZoneReading(side, sonar.Band.CLEAR) for side in sonar.Side)
    near = sonar.ZoneReading(sonar.Side.LEFT, sonar.Band.CLOSE, 0.8)
    power = np.square(hum.samples(sonar.Scene(0, 0.0, near, center, right), 1.0)).mean(axis=0)
    assert power[0] > 20 * power[1] > 0
    blind = hum.samples(sonar.Scene.unknown(1, 1.0, sonar.Reason.DARK), 1.0)
    assert np.abs(blind).max() > 0.05
    clear = hum.samples(sonar.Scene(2, 2.0, left, center, right), 1.0)
    assert np.abs(clear[-100:]).max() < 0.01


@pytest.mark.parametrize("name", ["parallax", "foreground", "log_zones", "my_sound"])
def test_no_example_writes_over_its_input(
    name: str, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.png"
    mine.write_bytes(photo.read_bytes())
    with pytest.raises(SystemExit):
        run(name, mine, mine, monkeypatch=monkeypatch)
    assert mine.read_bytes() == photo.read_bytes()


def test_a_cutout_that_cannot_be_written_is_an_error(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit):
        run("foreground", photo, tmp_path / "nowhere" / "out.png", monkeypatch=monkeypatch)
