"""The walker does what it hears, contacts are counted, and sound helps."""

import pytest

from sonar.audio.mapping import PulseMapper
from sonar.capture.synthetic import Box
from sonar.config import MountConfig, SonarConfig
from sonar.simulate import closed_loop
from sonar.simulate.closed_loop import Course, contacts_per_100_m, make_course, walk
from sonar.types import Cue, CueKind, DepthMap, Frame, Reason, Scene
from sonar.zones import DepthZones

CONFIG = SonarConfig()


class Deaf:
    """Zones that see nothing, for mappers that do not listen."""

    def update(self, depth: DepthMap, frame: Frame) -> Scene:
        return Scene.unknown(frame.id, frame.t, Reason.DARK)

    def lost(self, frame_id: int, t: float, reason: Reason) -> Scene:
        return Scene.unknown(frame_id, t, reason)

    def reset(self) -> None: ...


class Always:
    """A mapper that plays one cue for ever."""

    def __init__(self, cue: Cue) -> None:
        self.cue = cue

    def update(self, scene: Scene) -> Cue:
        return self.cue


def real_zones(mount: MountConfig) -> DepthZones:
    return DepthZones(CONFIG.zones, mount)


def empty(length_m: float = 6.0) -> Course:
    return Course("empty", make_course(0).boxes[:5], length_m, 1.4)


def hears(cue: Cue) -> closed_loop.WalkResult:
    return walk(empty(), lambda mount: Deaf(), lambda: Always(cue), limit_s=5.0)


def test_free_way_is_walked_straight() -> None:
    result = walk(empty(), None, None)
    assert result.reached and result.contacts == 0
    assert result.walked_m == pytest.approx(6.0, abs=0.11)


def test_a_post_in_the_way_is_one_contact() -> None:
    post = Box((-0.1, 3.0, 0.0), (0.1, 3.2, 1.0), name="post")
    result = walk(Course("post", (*empty().boxes, post), 6.0, 1.4), None, None)
    assert result.contacts == 1 and result.reached


def test_a_bar_at_head_height_is_touched_too_but_not_one_above() -> None:
    low = Box((-1.0, 3.0, 1.5), (1.0, 3.2, 1.7), name="bar")
    high = Box((-1.0, 3.0, 1.9), (1.0, 3.2, 2.1), name="bar")
    room = empty().boxes
    assert walk(Course("low", (*room, low), 6.0, 1.4), None, None).contacts >= 1
    assert walk(Course("high", (*room, high), 6.0, 1.4), None, None).contacts == 0


def test_the_walker_does_what_it_hears() -> None:
    silence = hears(Cue(CueKind.SILENCE))
    stop = hears(Cue(CueKind.CONTINUOUS, pan=0.0, pitch_hz=800))
    slow = hears(Cue(CueKind.PULSE, pan=1.0, rate_hz=3.0, pitch_hz=500))
    assert silence.walked_m == pytest.approx(5.0, abs=0.1)
    assert stop.walked_m < 0.4, "it stops within its reaction time"
    assert 1.0 < slow.walked_m < 3.5


def test_same_seed_same_walk() -> None:
    course = make_course(7, length_m=5.0)
    assert course == make_course(7, length_m=5.0)
    first, second = (
        walk(course, real_zones, lambda: PulseMapper(CONFIG.audio, CONFIG.speech), limit_s=6.0)
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(("x_m", "past"), [(-0.4, True), (-0.3, True), (0.3, False)])
def test_sound_leads_around_a_box(x_m: float, past: bool) -> None:
    """With the real zones and mapper; without sound the same walker bumps into it.

    Past the last of the three it does not find, with a policy as simple as this one; it stands
    before it until time is up, and touches nothing.
    """
    box = Box((x_m - 0.35, 3.5, 0.0), (x_m + 0.35, 4.0, 1.1), name="box")
    course = Course("box", (*make_course(2).boxes[:5], box), 6.0, make_course(2).half_width_m)
    assert walk(course, None, None).contacts == 1
    heard = walk(course, real_zones, lambda: PulseMapper(CONFIG.audio, CONFIG.speech))
    assert heard.contacts == 0
    assert heard.reached or not past


def test_contacts_per_100_m() -> None:
    walks = [closed_loop.WalkResult("a", 30.0, 1, True, 1.0)] * 2
    assert contacts_per_100_m(walks) == pytest.approx(100 * 2 / 60)
    assert contacts_per_100_m([]) == 0.0
