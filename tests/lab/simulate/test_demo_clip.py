"""The shipped clip is what its truth file says, and a depth network sees a room in it.

``walk_truth.json``: mount, path and the nearest obstacles, once a second. ``walk_depth.npz``: exact
depth of every fifth frame at 120x160; pixel (row, col) belongs to (4 row + 2, 4 col + 2) of the
frame, rounded to millimeters.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from sonar import demo
from sonar.lab.simulate.scene import textures

FRAMES = (0, 75, 125, 205, 285)
HERE = Path(__file__).parent
TRUTH = json.loads((HERE / "walk_truth.json").read_text("utf-8"))


def exact_depth() -> dict[int, np.ndarray]:
    """Frame number -> exact meters along the optical axis, float32 (120, 160)."""
    with np.load(HERE / "walk_depth.npz") as stored:
        columns = np.cumsum(stored["delta_mm"], axis=1, dtype=np.uint16)
        frames = np.cumsum(columns, axis=2, dtype=np.uint16)
        numbers = stored["frame"].tolist()
    return {n: mm.astype(np.float32) / 1000.0 for n, mm in zip(numbers, frames, strict=True)}


@pytest.fixture(scope="module")
def images() -> dict[int, np.ndarray]:
    """Some frames of the clip, and its length under -1."""
    av = pytest.importorskip("av")
    found: dict[int, np.ndarray] = {}
    count = 0
    with av.open(str(demo.CLIP)) as container:
        for frame in container.decode(video=0):
            if count in FRAMES:
                found[count] = frame.to_ndarray(format="rgb24")
            count += 1
    found[-1] = np.array(count)
    return found


def test_clip_matches_its_truth_file(images: dict[int, np.ndarray]) -> None:
    truth = TRUTH
    assert int(images[-1]) == truth["frames"]
    assert images[0].shape == (truth["height_px"], truth["width_px"], 3)
    assert 8.0 <= truth["frames"] / truth["rate_hz"] <= 12.0
    assert [s["frame"] for s in truth["seconds"]] == list(range(0, truth["frames"], 25))
    assert list(exact_depth()) == list(range(0, truth["frames"], 5))


def test_the_clip_is_small() -> None:
    assert demo.CLIP.stat().st_size <= 2_000_000


def test_clip_plays_anywhere() -> None:
    av = pytest.importorskip("av")
    with av.open(str(demo.CLIP)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == TRUTH["rate_hz"]


def test_walk_passes_what_it_should() -> None:
    """Something on the left, then on the right, then at head height, a person, a stop."""
    seconds = TRUTH["seconds"]

    def nearest(side: str, thing: str) -> float:
        return min(
            z["distance_m"] for s in seconds if (z := s["zones"][side]) and z["thing"] == thing
        )

    assert nearest("left", "chair") < 1.5
    assert nearest("right", "cabinet") < 1.2
    assert nearest("left", "hanging plant") < 2.5
    assert nearest("left", "person") < 2.0
    assert seconds[-1]["zones"]["center"]["thing"] == "table"
    assert seconds[-1]["zones"]["center"]["distance_m"] < 1.2
    assert seconds[-1]["y_m"] - seconds[-2]["y_m"] < 0.5 < seconds[5]["y_m"] - seconds[4]["y_m"]


def test_stored_depth_obeys_the_floor() -> None:
    """Floor pixels of the stored depth follow the plane formula at the stored pose."""
    stored = exact_depth()[0]
    pose = TRUTH["seconds"][0]
    focal = 640 / 2 / np.tan(np.radians(62.0 / 2))
    rows = 4 * np.arange(120) + 2
    y = (rows - (480 - 1) / 2) / focal
    p = np.radians(pose["pitch_deg"])
    expected = (y * np.cos(p) + np.sin(p)) / pose["height_m"]
    # At the start the middle column sees free floor in its lowest rows.
    np.testing.assert_allclose(1.0 / stored[-12:, 80], expected[-12:], rtol=5e-3)


def test_builtin_network_sees_a_room(images: dict[int, np.ndarray]) -> None:
    """Inverse depth of the network agrees with the exact one, frame by frame."""
    ort = pytest.importorskip("onnxruntime")
    cv2 = pytest.importorskip("cv2")
    model = Path(demo.__file__).parents[1] / "depth" / "models" / "builtin" / "builtin.onnx"
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    exact = exact_depth()
    agreement = {}
    for index in FRAMES:
        small = cv2.resize(images[index], (256, 192), interpolation=cv2.INTER_AREA)
        tensor = (small / 255.0 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        tensor = tensor.transpose(2, 0, 1)[None].astype(np.float32)
        inverse = session.run(["inverse_depth"], {"image": tensor})[0][0]
        coarse = cv2.resize(inverse, (160, 120), interpolation=cv2.INTER_AREA)
        agreement[index] = np.corrcoef(coarse.ravel(), (1 / exact[index]).ravel())[0, 1]
    # The last one: a painting over a table, which the network takes for something hanging there.
    assert min(agreement.values()) > 0.5, agreement
    assert np.median(list(agreement.values())) > 0.9, agreement


@pytest.mark.parametrize("kind", sorted(textures.MAKERS))
def test_textures_are_seeded_and_have_texture(kind: str) -> None:
    first = textures.make(kind, (0.7, 0.6, 0.5), seed=3, size=96)
    assert first.shape == (96, 96, 3) and first.dtype == np.uint8
    assert np.array_equal(first, textures.make(kind, (0.7, 0.6, 0.5), seed=3, size=96))
    assert first.std() > 2.0
