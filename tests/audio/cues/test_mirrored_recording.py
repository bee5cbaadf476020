"""A recording and its mirror image are heard from opposite sides, with the real network between."""

from pathlib import Path

import numpy as np
import pytest

from sonar import app
from sonar.audio.cues import PulseMapper
from sonar.config import SonarConfig
from sonar.types import Frame

CLIP = Path(__file__).parents[3].parent / "shared" / "clips" / "office_head_mounted.mp4"


@pytest.mark.skipif(not CLIP.exists(), reason="needs ../shared/clips/office_head_mounted.mp4")
def test_a_mirrored_recording_is_heard_mirrored():
    """The network is not symmetric; ties and rules of the lead must not make more of that.

    The pans of all cues correlated 0.52 when the nearest side led, however little nearer it was.
    """
    config = SonarConfig()
    source, engine = app.open_source(str(CLIP), config), app.open_engine(config)
    zones = [app.make_zones(config) for _ in range(2)]
    mappers = [PulseMapper(config.audio, config.speech) for _ in range(2)]
    pans = []
    try:
        source.open()
        while (frame := source.read(5.0)) is not None:
            mirrored = Frame(np.ascontiguousarray(frame.image[:, ::-1]), frame.id, frame.t)
            cues = [
                mapper.update(analyzer.update(engine.estimate(seen), seen))
                for seen, analyzer, mapper in zip((frame, mirrored), zones, mappers, strict=True)
            ]
            pans.append([cue.pan for cue in cues])
    finally:
        source.close()
        engine.close()
    there, back = np.array(pans).T
    assert np.count_nonzero(there) > 10  # and not by being heard from ahead only
    assert np.corrcoef(there, -back)[0, 1] > 0.7
