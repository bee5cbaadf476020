"""What holds for what is heard on every walk: mirrored, nearer, unknown."""

from dataclasses import replace

from hearing import (
    AUDIO,
    CLEAR,
    CLOSE,
    FAR,
    NEAR,
    SPEECH,
    STOP,
    first_cue,
    mapper,
    render,
    rms_db,
    scene,
)
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sonar.audio.cues import PHRASES
from sonar.audio.cues.urgency import urgency_hz
from sonar.audio.synthesis import Mixer
from sonar.types import (
    Band,
    CueKind,
    Height,
)

bands = st.sampled_from([Band.CLEAR, Band.FAR, Band.NEAR, Band.CLOSE, Band.STOP, Band.UNKNOWN])
heights = st.sampled_from([None, *Height])
ttcs = st.one_of(st.none(), st.floats(0.1, 10))


@st.composite
def zones(draw):
    return (
        draw(bands),
        draw(st.floats(0, 1)),
        {"ttc_s": draw(ttcs), "height": draw(heights), "distance_m": draw(ttcs)},
    )


@st.composite
def walks(draw):
    steps = draw(st.lists(st.tuples(zones(), zones(), zones()), min_size=1, max_size=8))
    gaps = draw(st.lists(st.floats(0.02, 2.0), min_size=len(steps), max_size=len(steps)))
    return list(zip(steps, gaps, strict=True))


_FAR = (Band.FAR, 0.0, {"ttc_s": None, "height": None, "distance_m": None})
_CLOSE = (Band.CLOSE, 0.0, {"ttc_s": None, "height": None, "distance_m": None})
_SOON = (Band.FAR, 0.0, {"ttc_s": 1.0, "height": None, "distance_m": None})


@settings(max_examples=150, deadline=None)
@example([((_FAR, CLEAR, CLEAR), 1.0), ((_CLOSE, CLEAR, _SOON), 0.25)])  # equal but for the hold
@given(walks())
def test_a_mirrored_walk_gives_mirrored_cues(walk):
    plain, mirrored = mapper(), mapper()
    t = 0.0
    for (left, center, right), gap in walk:
        t += gap
        ranks = [(urgency_hz(zone), zone.proximity) for zone in scene(left, center, right).zones]
        assume(ranks[0] != ranks[2])  # equals have to be broken somehow; it is the left
        cue = plain.update(scene(left, center, right, t=t))
        other = mirrored.update(scene(right, center, left, t=t))
        assert other.pan == -cue.pan
        assert replace(other, pan=0, why="", phrase=None) == replace(
            cue, pan=0, why="", phrase=None
        )
        assert other.phrase == _mirrored_key(cue.phrase)


def _mirrored_key(key):
    if key is None:
        return None
    return key.replace("left", "?").replace("right", "left").replace("?", "right")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([Band.FAR, Band.NEAR, Band.CLOSE, Band.STOP]),
    st.sampled_from([Band.FAR, Band.NEAR, Band.CLOSE, Band.STOP]),
    st.floats(0, 1),
    st.floats(0, 1),
    ttcs,
    st.floats(0, 8),
)
def test_nearer_is_never_slower_or_quieter(band, other, proximity, more, ttc_s, sooner_s):
    order = [Band.FAR, Band.NEAR, Band.CLOSE, Band.STOP]
    near_band = max(band, other, key=order.index)
    near_proximity = max(proximity, more)
    near_ttc = None if ttc_s is None else max(0.0, ttc_s - sooner_s)
    base = first_cue((band, proximity, {"ttc_s": ttc_s}))
    near = first_cue((near_band, near_proximity, {"ttc_s": near_ttc}))
    assert near.level_db >= base.level_db
    if near.kind is CueKind.PULSE:
        assert near.rate_hz >= base.rate_hz
    assert near.priority >= base.priority


@settings(max_examples=150, deadline=None)
@given(zones(), zones(), zones(), zones())
def test_one_more_obstacle_never_makes_the_sound_slower_or_quieter(left, center, right, other):
    more_urgent = max(left, other, key=lambda zone: urgency_hz(scene(zone).left))
    fewer, more = first_cue(left, center, right), first_cue(more_urgent, center, right)
    assert more.priority >= fewer.priority
    if fewer.kind is more.kind is CueKind.PULSE:
        assert more.rate_hz >= fewer.rate_hz
        assert more.level_db >= fewer.level_db


def test_nearer_sounds_louder_and_not_only_on_paper():
    levels = []
    for band, proximity in (FAR, NEAR, CLOSE, STOP):
        mixer = Mixer(AUDIO, SPEECH)
        mixer.post(replace(first_cue((band, proximity)), phrase=None))
        levels.append(rms_db(render(mixer, 2.0))[0])
    assert levels == sorted(levels)
    assert levels[-1] - levels[-2] > 6  # stop stands out


@settings(max_examples=100, deadline=None)
@given(walks())
def test_unknown_is_never_silent_and_every_name_exists(walk):
    own = mapper(verbosity="chatty")
    t = 0.0
    for step, gap in walk:
        t += gap
        now = scene(*step, t=t)
        cue = own.update(now)
        assert cue.phrase is None or cue.phrase in PHRASES
        if any(zone.band is Band.UNKNOWN for zone in now.zones):
            assert cue.kind is not CueKind.SILENCE
        if any(zone.band is Band.STOP for zone in now.zones):
            assert cue.kind is CueKind.CONTINUOUS
