"""Convolutions of any number of results, of which the machine code computes one to four vectors."""

import ctypes

import numpy as np
import pytest

from sonar.depth.models.store import Store
from sonar.depth.native import code
from sonar.depth.native.decoding import Decoding
from sonar.depth.native.ready import Weights
from sonar.depth.native.steps import LANES, Step, Steps, aligned
from sonar.depth.native.weights import Convolution

SIZE = (20, 28)


@pytest.fixture(scope="module")
def machine_code(tmp_path_factory):
    if code.compiler() is None:
        pytest.skip("there is no C compiler here")
    return code.machine_code(Store(home=tmp_path_factory.mktemp("home")))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("cin", [16, 48])
@pytest.mark.parametrize("cout", [16, 32, 48, 64, 80])
def test_a_convolution_is_what_it_should_be(machine_code, cin: int, cout: int, half: bool) -> None:
    lanes, group = machine_code.sonar_lanes(), machine_code.sonar_group()
    if half and not machine_code.sonar_half():
        pytest.skip("this processor has no products of bfloat16")
    rng = np.random.default_rng(cin + cout)
    kernel = rng.normal(0, 0.1, (cout, cin, 3, 3)).astype(np.float32)
    bias = rng.normal(0, 1, cout).astype(np.float32)
    image = rng.normal(0, 1, (cin, *SIZE)).astype(np.float32)
    weights = Weights(
        Convolution(kernel, bias), cin=cin, lanes=lanes, group=group, half=half, unit=LANES
    )
    assert weights.cout == cout
    source = aligned(cin, *SIZE)
    blocks = image.reshape(cin // lanes, lanes, *SIZE).transpose(0, 2, 3, 1)
    source.reshape(-1)[:] = blocks.reshape(-1)
    steps = Steps()
    target = Decoding(steps, 1).convolve(weights, source, SIZE)
    pool = machine_code.sonar_open(1, 4 * steps.scratch)
    listed = (Step * len(steps.list))(*steps.list)
    machine_code.sonar_run(pool, ctypes.cast(listed, ctypes.c_void_p), len(listed))
    machine_code.sonar_close(pool)
    found = target.reshape(cout // lanes, *SIZE, lanes).transpose(0, 3, 1, 2).reshape(cout, *SIZE)
    framed = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(framed, (3, 3), axis=(1, 2))
    wanted = np.einsum("chwyx,ocyx->ohw", windows, kernel, optimize=True) + bias[:, None, None]
    assert np.abs(found - wanted).mean() < (0.03 if half else 1e-5) * np.abs(wanted).mean()
