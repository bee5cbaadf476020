"""The report's plots: the spectrogram, the strip of depth, what a moment says."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from report_kit import record, write_wav, zone

from sonar.errors import SourceError
from sonar.records import Step
from sonar.replay.report.data import Moment, words
from sonar.replay.report.sound import TOP_HZ, analyse
from sonar.replay.report.strip import CELLS, DepthStrip
from sonar.types import Band, Cue, CueKind, DepthKind, DepthMap, Frame, Reason, Scene


def test_words_of_a_moment() -> None:
    moment = Moment(0.0)
    moment.add(record(0, zone(Band.CLOSE, 1.0, ttc_s=1.2, height="head")).model_dump(mode="json"))
    assert words(moment) == (
        "left close 1.0 m (head), contact in 1.2 s, ahead clear, right unknown; silence"
    )


@pytest.mark.parametrize("seconds", [0.02, 1.0, 130.0])
def test_the_spectrogram_shows_pitch_side_and_time(tmp_path: Path, seconds: float) -> None:
    length = int(48_000 * seconds)
    samples = np.zeros((length, 2))
    half = slice(0, length // 2)
    samples[half, 0] = 10_000 * np.sin(np.arange(length // 2) * 2 * np.pi * 3000 / 48_000)
    write_wav(tmp_path / "a.wav", samples)
    sound = analyse(tmp_path / "a.wav")
    assert sound.duration_s == pytest.approx(seconds)
    picture = cv2.imdecode(np.frombuffer(sound.png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None and picture.shape[1] <= 1000
    left, right = picture[:64].astype(float), picture[66:].astype(float)
    if seconds < 1:
        return
    half_way = picture.shape[1] // 2
    row = int(left[:, : half_way - 4].mean(axis=1).argmax())
    assert row == pytest.approx(64 * (1 - 3000 / TOP_HZ), abs=2)
    assert left[row, : half_way - 4].min() > 150 > 40 > left[row, half_way + 4 :].max()
    assert right.max() < 40
    assert sound.sounding == pytest.approx(0.5, abs=0.06)
    assert sound.louder[0] == pytest.approx(1.0) and sound.louder[1] == 0.0


def test_silence_and_a_file_that_is_no_sound(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros((48_000, 2)))
    assert analyse(tmp_path / "a.wav").sounding == 0.0
    (tmp_path / "b.wav").write_bytes(b"RIFF....")
    with pytest.raises(SourceError, match=r"b\.wav"):
        analyse(tmp_path / "b.wav")


def step(frame: Frame, depth: DepthMap | None, scene: Scene) -> Step:
    return Step(scene=scene, cue=Cue(CueKind.SILENCE), frame=frame, depth=depth, timings_ms={})


@pytest.mark.parametrize("count", [1, 7, 79, 80, 1000])
def test_the_depth_strip_follows_time(count: int) -> None:
    strip = DepthStrip()
    image = np.zeros((8, 8, 3), np.uint8)
    for index in range(count):
        near = (index + 1) / count  # nearer and nearer
        depth = DepthMap(np.full((48, 64), near, np.float32), DepthKind.RELATIVE_INVERSE)
        scene = Scene.unknown(index, index / 10, None)
        strip.consume(step(Frame(image, index, 3 + index / 10), depth, scene))
    jpeg = strip.jpeg(count / 10)
    assert jpeg is not None and len(jpeg) < 60_000
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None and picture.shape == (60, 80 * CELLS)
    levels = [float(picture[20:40, 80 * i + 20 : 80 * i + 60].mean()) for i in range(CELLS)]
    assert all(b >= a - 6 for a, b in pairwise(levels))
    if count > CELLS:
        assert levels[-1] > levels[0] + 100


def test_a_strip_without_depth() -> None:
    strip = DepthStrip()
    scene = Scene.unknown(0, 0.0, Reason.DEPTH_FAILED)
    strip.consume(step(Frame(np.zeros((8, 8, 3), np.uint8), 0, 0.0), None, scene))
    assert strip.jpeg(1.0) is None
