"""The supervisor under whatever fails whenever: never silent for more than a second."""

from fake_guide import FakeGuide
from hypothesis import given, settings
from hypothesis import strategies as st
from supervisor_kit import STEP_S, World

from sonar.service.supervisor.supervisor import WatchLimits

FAULTS = st.lists(
    st.tuples(
        st.floats(0.1, 20.0),  # seconds until it
        st.sampled_from(["crash", "frames", "sound", "all", "missing"]),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(faults=FAULTS, loads_s=st.floats(0.05, 3.0))
def test_never_silent_for_more_than_a_second(
    faults: list[tuple[float, str]], loads_s: float
) -> None:
    """Whatever fails whenever: at each moment somebody guides, or an alarm began < 1 s ago."""
    world = World(WatchLimits(restarts=100, start_timeout_s=5), loads_s=loads_s)
    world.run(4)
    worst, since = 0.0, world.clock.now()

    def look() -> None:
        nonlocal worst, since
        guide = world.supervisor._guide
        now = world.clock.now()
        guided = (
            isinstance(guide, FakeGuide)
            and guide.ends_with is None
            and not guide.stuck
            and world.supervisor.state == "guiding"
        )
        if guided or world.alarm.sounds_now():
            since = now
        worst = max(worst, now - since)

    for wait_s, kind in faults:
        for _ in range(round(wait_s / STEP_S)):
            world.run(STEP_S)
            look()
        if world.supervisor._guide is None:
            continue
        if kind == "crash":
            world.guide.ends_with = -9
        elif kind == "missing":
            world.guide.ends_with = 4
        else:
            if world.guide.stuck not in ("", kind):
                since = world.clock.now()  # what hung moved again: this is another failure
            world.guide.stuck = kind
    for _ in range(round(15 / STEP_S)):
        world.run(STEP_S)
        look()
    assert worst <= 1.0
    assert world.supervisor.state == "guiding"
