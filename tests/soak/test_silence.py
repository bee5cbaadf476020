"""How scripts/torture detects silence: from posts and from what was recorded of the alarm."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.soak.private_pulse import RATE_HZ
from tests.soak.silence import BLOCK_S, gaps, guidance, sounding

pytestmark = pytest.mark.realtime

SPANS = st.lists(st.tuples(st.floats(0.0, 50.0), st.floats(0.0, 5.0)), max_size=20)


@given(SPANS)
def test_gaps_are_all_that_no_span_covers(listed: list[tuple[float, float]]) -> None:
    spans = np.array([(a, a + length) for a, length in listed]).reshape(-1, 2)
    found = gaps(spans, 10.0, 40.0)
    moments = np.linspace(10.0, 40.0, 3001)[1:-1]
    covered = ((spans[:, :1] <= moments) & (moments <= spans[:, 1:])).any(axis=0)
    in_gap = np.zeros_like(covered)
    for when, length in found:
        assert length >= 0.0
        in_gap |= (moments > when) & (moments < when + length)
    assert not (covered & in_gap).any()
    edges = np.array([t for when, length in found for t in (when, when + length)] or [-1.0])
    inside = np.abs(moments[:, None] - edges[None, :]).min(axis=1) > 1e-9
    assert (covered | in_gap)[inside].all()


def test_what_is_heard_is_found_with_its_time() -> None:
    samples = np.zeros(3 * RATE_HZ, np.float32)
    samples[RATE_HZ : 2 * RATE_HZ] = 0.1 * np.sin(np.arange(RATE_HZ))
    samples[: RATE_HZ // 2] = 1e-4  # noise below hearing
    spans = sounding(samples, 100.0 + np.arange(samples.size) / RATE_HZ)
    assert spans[0, 0] == pytest.approx(101.0) and spans[-1, 1] == pytest.approx(102.0)
    assert len(spans) == round(1.0 / BLOCK_S)
    assert [round(length, 2) for _, length in gaps(spans, 100.0, 103.0)][:: len(spans)] == [1.0]


def test_posts_are_guidance_ages_are_not(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.write_text("post 1.5000 3 pulse\nage 1.6000 70.00\npost 2.0000 4 silence\n")
    assert guidance(notes).tolist() == [[1.5, 1.5], [2.0, 2.0]]
