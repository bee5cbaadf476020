"""The suite in its short form: each real obstacle is heard, and who hears it bumps into
less. Low resolution, exact depth, the first meters of every route."""

import pytest
from simulate_kit import need_mujoco, scenario

from sonar.audio.cues import PulseMapper
from sonar.config import MountConfig, SonarConfig
from sonar.lab.evaluate.labels import TruthEvent
from sonar.lab.simulate import closed_loop
from sonar.lab.simulate.closed_loop import (
    SIZE,
    Hearing,
    WalkResult,
    inexact_depth,
    mount_of,
    sums,
    walk,
)
from sonar.lab.simulate.record import moments
from sonar.lab.simulate.scenario import load
from sonar.lab.simulate.truth import EventLog
from sonar.types import Cue, CueKind
from sonar.zones import DepthZones

pytestmark = pytest.mark.timeout(900)  # about a minute of work; machines may be busy
CONFIG = SonarConfig()
# Half of the scenarios, of every kind; `sonar simulate all --closed-loop` walks all of them.
SCENARIOS = (
    *("branch", "corridor", "corridor_box", "free_hall", "glare", "hatch", "head_bar", "kerb"),
    *("person_approaching", "platform", "poles", "stairs_down", "street", "zigzag"),
)
FPS = 10.0
EARLY_S, LATE_S = 1.0, 1.0


@pytest.fixture(autouse=True, scope="module")
def _drawn() -> None:
    need_mujoco()


def zones(mount: MountConfig) -> DepthZones:
    return DepthZones(CONFIG.zones, mount)


def mapper() -> PulseMapper:
    return PulseMapper(CONFIG.audio, CONFIG.speech)


@pytest.fixture(scope="module")
def walked() -> dict[str, list[WalkResult]]:
    """Both walkers through the whole suite."""
    every = [load(name) for name in SCENARIOS]
    ways = [closed_loop.WITHOUT, closed_loop.exact(zones, mapper)]
    return closed_loop.run(every, ways, short=True)


def test_the_suite_is_large_enough_and_hard_enough(walked: dict[str, list[WalkResult]]) -> None:
    plain = sums(walked["without sonar"])
    assert plain["contacts"] >= 10, "else there is nothing to avoid"
    assert plain["falls"] >= 3


def test_who_hears_touches_at_most_a_third(walked: dict[str, list[WalkResult]]) -> None:
    """By meters of route, which walking to and fro does not make more of."""
    plain, heard = sums(walked["without sonar"]), sums(walked["sonar, exact depth"])
    assert heard["contacts_per_100_m_of_route"] <= plain["contacts_per_100_m_of_route"] / 3
    assert heard["falls"] <= 1


def test_and_arrives(walked: dict[str, list[WalkResult]]) -> None:
    assert sums(walked["sonar, exact depth"])["arrived"] >= 0.7 * len(SCENARIOS)


def test_the_free_hall_is_silent(walked: dict[str, list[WalkResult]]) -> None:
    by_name = {r.scenario: r for r in walked["sonar, exact depth"]}
    for name in ("free_hall", "corridor"):
        assert by_name[name].warned_share == 0.0
        assert by_name[name].seconds < 9.0


def heard_on(name: str) -> tuple[list[TruthEvent], list[tuple[float, Cue]], float]:
    """The recorded walk of a scenario: its events, what sounds, and how long it takes."""
    place = load(name)
    log = EventLog()
    heard: list[tuple[float, Cue]] = []
    hearing = None
    t = 0.0
    for moment in moments(place, log, fps=FPS, size=SIZE):
        if hearing is None:
            mount = mount_of(place.camera)
            hearing = Hearing(moment.stage, inexact_depth(5), zones(mount), mapper())
        t = moment.t
        heard.append((t, hearing.mapper.update(hearing.scene(moment.rendering, t))))
        if t > 9.0:
            break
    return list(log.events()), heard, t


def warns(cue: Cue, event: TruthEvent) -> bool:
    if event.kind == "drop":
        return cue.earcon == "drop_off"
    return cue.kind is CueKind.CONTINUOUS or (cue.kind is CueKind.PULSE and cue.rate_hz >= 2.0)


def test_events_are_heard_before_they_are_touched() -> None:
    """Recall of what comes close, the blinding scene (which is announced) apart."""
    missed, events = [], 0
    for name in SCENARIOS:
        if name == "glare":
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
    assert events >= 15
    assert len(missed) <= 0.12 * events, missed


def test_night_is_announced_and_not_taken_for_clear() -> None:
    _, heard, _ = heard_on("night")
    late = [cue for t, cue in heard if t > 1.0]
    assert sum(cue.earcon in ("unknown", "degraded") for cue in late) > 0.9 * len(late)


def test_tallies_and_tables() -> None:
    one = WalkResult("a", 30.0, 20.0, ("box 1",), 0, True, 30.0, 0.1)
    two = WalkResult("a", 10.0, 5.0, (), 0, False, 40.0, 0.1)
    both = {"x": [one, two]}
    found = sums(both["x"])
    assert (found["walks"], found["arrived"], found["contacts"]) == (2, 1, 1)
    assert (found["contacts_per_100_m"], found["contacts_per_100_m_of_route"]) == (2.5, 4.0)
    text = "\n".join(closed_loop.table(both))
    assert "1 of 2 arrived" in text
    document = closed_loop.as_json(both, [0], False)
    assert document["schema"] == "sonar.walks/1"
    assert document["ways"][0]["contacts_per_100_m"] == 2.5
    assert sums([])["contacts_per_100_m"] == 0.0


def test_who_hears_goes_round_a_box() -> None:
    box = scenario("{kind: box, at: [0.1, 4], size: [0.7, 0.5, 1.1]}", goal="[[0, 7]]")
    assert walk(box).contacts == ("box 1",)
    heard = walk(box, closed_loop.exact(zones, mapper))
    assert heard.contacts == () and heard.reached
