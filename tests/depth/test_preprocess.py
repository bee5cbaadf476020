"""The network's input equals MiDaS's own transform."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonar.depth.contract import IMAGENET_MEAN, IMAGENET_STD, InputContract
from sonar.depth.preprocess import Preprocessor, network_size

PARITY = Path(__file__).parents[3] / "shared" / "midas_small_parity"
SMALL = InputContract()


def reference_transform(image, rows, columns):
    """MiDaS's transform as it is written, in float64."""
    resized = cv2.resize(image / 255.0, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return ((resized - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (480, 640, (192, 256)),
        (640, 480, (256, 192)),
        (480, 480, (256, 256)),
        (272, 640, (96, 256)),  # 3.4 units: down
        (1080, 1920, (128, 256)),  # 4.5 units: halves go to even
        (1920, 1080, (256, 128)),
        (250, 256, (256, 256)),  # rounded up, still within the bound
        (1, 1, (256, 256)),
        (33, 4000, (32, 256)),  # MiDaS itself would ask for 0 rows
        (4000, 33, (256, 32)),
    ],
)
def test_network_size_of_the_small_network(height, width, expected):
    assert network_size(SMALL, height, width) == expected


def test_network_size_of_other_fits():
    dpt = InputContract(size_px=384, fit="minimal")
    assert network_size(dpt, 480, 640) == (384, 512)
    assert network_size(InputContract(size_px=384, fit="shorter"), 480, 640) == (384, 512)
    assert network_size(InputContract(size_px=518, fit="shorter", multiple=14), 480, 640) == (
        518,
        686,
    )
    assert network_size(InputContract(fit="exact", fixed_hw=(256, 256)), 33, 4000) == (256, 256)


@given(
    height=st.integers(1, 5000),
    width=st.integers(1, 5000),
    fit=st.sampled_from(["longer", "shorter", "minimal"]),
    multiple=st.sampled_from([14, 32]),
)
def test_sides_are_multiples_within_bounds(height, width, fit, multiple):
    size = 8 * multiple
    sides = network_size(InputContract(size_px=size, fit=fit, multiple=multiple), height, width)
    for side in sides:
        assert side % multiple == 0
        assert multiple <= side <= (size if fit == "longer" else 4 * size)
    if fit == "shorter":
        assert min(sides) >= size


@pytest.mark.skipif(not PARITY.is_dir(), reason=f"reference vectors not at {PARITY}")
@pytest.mark.parametrize("case", ["640x480", "wide"])
def test_equals_the_published_transform(case):
    image = cv2.imread(str(PARITY / "input_rgb_480x640.png"))[:, :, ::-1]
    image = image[:272] if case == "wide" else image
    expected = np.load(PARITY / "expected.npz")[f"{case}_network_input"]
    result = Preprocessor(SMALL)(np.ascontiguousarray(image))
    assert result.dtype == np.float32
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 2**16))
def test_equals_the_transform_in_float64(height, width, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    result = Preprocessor(SMALL)(image)
    np.testing.assert_allclose(result, reference_transform(image, *result.shape[2:]), atol=5e-5)


@pytest.mark.parametrize("shape", [(1, 1), (33, 4000), (4000, 33), (2, 1)])
def test_extreme_images_become_finite_tensors(shape):
    image = np.full((*shape, 3), 255, np.uint8)
    result = Preprocessor(SMALL)(image)
    assert result.shape[2] >= 32
    assert result.shape[3] >= 32
    white = (1 - np.array(IMAGENET_MEAN)) / IMAGENET_STD
    np.testing.assert_allclose(result.mean(axis=(0, 2, 3)), white, atol=1e-4)


def test_red_is_channel_zero():
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :, 0] = 255
    means = Preprocessor(SMALL)(image).mean(axis=(0, 2, 3))
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(means, expected, atol=1e-4)


def test_buffers_are_reused_and_follow_the_size():
    preprocess = Preprocessor(SMALL)
    first = preprocess(np.zeros((48, 64, 3), np.uint8))
    again = preprocess(np.full((48, 64, 3), 255, np.uint8))
    assert again is first
    assert preprocess(np.zeros((64, 48, 3), np.uint8)).shape == (1, 3, 256, 192)
    np.testing.assert_allclose(
        preprocess(np.zeros((48, 64, 3), np.uint8))[0, 0], -0.485 / 0.229, atol=1e-5
    )
