"""The suite in its short form: what really stands there is heard, and who hears it bumps into
less. Low resolution, exact depth, the first metres of every route."""

from collections.abc import Iterator

import pytest
from simulate_kit import need_mujoco, scenario

from sonar.audio.cues import PulseMapper
from sonar.config import MountConfig, SonarConfig
from sonar.lab.evaluate.labels import TruthEvent
from sonar.lab.evaluate.naive import naive_band, naive_inverse_depths
from sonar.lab.simulate import suite
from sonar.lab.simulate.closed_loop import SIZE, WalkResult, tally, walk
from sonar.lab.simulate.ears import Hearing, SpoiltDepth, mount_of
from sonar.lab.simulate.record import moments
from sonar.lab.simulate.scenario_files import load, names
from sonar.lab.simulate.scene.stage import Stage
from sonar.lab.simulate.suite import Walked
from sonar.lab.simulate.truth_file import EventLog
from sonar.types import Band, Cue, CueKind, DepthMap, Frame

pytestmark = pytest.mark.timeout(900)  # about a minute of work; machines may be busy
CONFIG = SonarConfig()
FPS = 10.0
EARLY_S, LATE_S = 1.0, 1.0


@pytest.fixture(autouse=True, scope="module")
def _drawn() -> None:
    need_mujoco()


def zones(mount: MountConfig) -> object:
    from sonar.zones import DepthZones

    return DepthZones(CONFIG.zones, mount)


def mapper() -> PulseMapper:
    return PulseMapper(CONFIG.audio, CONFIG.speech)


def bands(depth: DepthMap) -> tuple[tuple[Band, float], ...]:
    return tuple((naive_band(level), level) for level in naive_inverse_depths(depth))


@pytest.fixture(scope="module")
def walked() -> dict[str, Walked]:
    """Both walkers through the whole suite."""
    every = [load(name) for name in names()]
    ways = [suite.without(), suite.exact(zones, mapper)]
    return {w.way: w for w in suite.run(every, ways, short=True)}


def test_the_suite_is_large_enough_and_hard_enough(walked: dict[str, Walked]) -> None:
    plain = walked["without sonar"]
    assert len(plain.results) >= 20
    assert plain.together.contacts >= 15, "else there is nothing to avoid"
    assert plain.together.falls >= 3


def test_who_hears_touches_at_most_a_third(walked: dict[str, Walked]) -> None:
    """By metres of route, which walking to and fro does not make more of."""
    plain, heard = walked["without sonar"].together, walked["sonar, exact depth"].together
    assert heard.per_100_m_way <= plain.per_100_m_way / 3
    assert heard.falls <= 1


def test_and_arrives(walked: dict[str, Walked]) -> None:
    """22 of 29 in the short time; 28 before the center led where it is as near as a side."""
    assert walked["sonar, exact depth"].together.arrived >= 0.7 * len(names())


def test_the_free_hall_is_silent(walked: dict[str, Walked]) -> None:
    by_name = {r.scenario: r for r in walked["sonar, exact depth"].results}
    for name in ("free_hall", "corridor"):
        assert by_name[name].warned_share == 0.0
        assert by_name[name].seconds < 9.0


def test_minmax_in_the_free_hall_never_lets_one_go() -> None:
    hall = [load("free_hall")]
    (found,) = suite.run(hall, [suite.minmax(bands, mapper)], short=True)
    assert found.together.arrived == 0


def heard_on(name: str) -> tuple[list[TruthEvent], list[tuple[float, Cue]], float]:
    """The recorded walk of a scenario: its events, what sounds, and how long it takes."""
    place = load(name)
    log, ears = EventLog(), []
    heard: list[tuple[float, Cue]] = []

    def made(stage: Stage) -> None:
        ears.append(Hearing(stage, SpoiltDepth(5), zones(mount_of(place.camera)), mapper()))

    t = 0.0
    for moment in moments(place, log, fps=FPS, size=SIZE, textured=False, stages=made):
        chain, t = ears[0], moment.t
        frame = Frame(moment.sight.image, len(heard), t)
        scene = chain.zones.update(chain.depth(chain.stage, moment.sight, frame), frame)
        heard.append((t, chain.mapper.update(scene)))
        if t > 9.0:
            break
    return list(log.events()), heard, t


def warns(cue: Cue, event: TruthEvent) -> bool:
    if event.kind == "drop":
        return cue.earcon == "drop_off"
    return cue.kind is CueKind.CONTINUOUS or (cue.kind is CueKind.PULSE and cue.rate_hz >= 2.0)


def test_events_are_heard_before_they_are_touched() -> None:
    """Recall of what comes close, the dark and the blinding scenes (which are told) apart."""
    missed, events = [], 0
    for name in names():
        if name in ("night", "glare"):
            continue
        truth, heard, end_s = heard_on(name)
        for event in truth:
            until_s = min(event.to_s, event.contact_s if event.contact_s is not None else end_s)
            if event.from_s > end_s - 0.5:
                continue
            events += 1
            if not any(
                warns(cue, event) for t, cue in heard if event.from_s - EARLY_S <= t <= until_s
            ):
                missed.append(f"{name}: {event.kind} {event.side} at {event.from_s} s")
    assert events >= 35
    assert len(missed) <= 0.12 * events, missed


def test_night_is_told_and_not_taken_for_clear() -> None:
    _, heard, _ = heard_on("night")
    late = [cue for t, cue in heard if t > 1.0]
    assert sum(cue.earcon in ("unknown", "degraded") for cue in late) > 0.9 * len(late)


def test_tallies_and_tables() -> None:
    one = WalkResult("a", 30.0, 20.0, ("box 1",), 0, 0, True, 30.0, 0.1)
    two = WalkResult("a", 10.0, 5.0, (), 0, 0, False, 40.0, 0.1)
    both = tally([one, two])
    assert (both.walks, both.arrived, both.contacts) == (2, 1, 1)
    assert both.per_100_m == pytest.approx(2.5) and both.per_100_m_way == pytest.approx(4.0)
    text = "\n".join(suite.table([Walked("x", (one, two))]))
    assert "1 of 2 arrived" in text and "gave up at 5.0 m" in text
    document = suite.as_json([Walked("x", (one, two))], [0], False)
    assert document["schema"] == "sonar.walks/1"
    assert document["ways"][0]["contacts_per_100_m"] == 2.5
    assert tally([]).per_100_m == 0.0


@pytest.fixture
def box() -> Iterator[object]:
    yield scenario("{kind: box, at: [0.1, 4], size: [0.7, 0.5, 1.1]}", goal="[[0, 7]]")


def test_true_zones_lead_round_a_box(box: object) -> None:
    way = suite.truth(CONFIG, mapper)
    assert way.ears is not None
    assert walk(box, None).contacts == ("box 1",)
    heard = walk(box, way.ears(0))
    assert heard.contacts == () and heard.reached
