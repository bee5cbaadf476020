"""What the supervisor decides, on a clock of its own: no process, no sound, no waiting."""

import itertools
import signal
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from supervisor_kit import FakeGuide, World

from sonar.errors import BROKEN
from sonar.service.supervisor.supervisor import STEP_S, WatchLimits


def test_a_guide_that_works_is_left_alone() -> None:
    world = World()
    world.run(60)
    assert world.supervisor.state == "guiding" and world.supervisor.restarts == 0
    assert world.alarm.log == [] and world.guide.got == []
    assert len(world.sent("READY=1")) == 1
    assert max(b - a for a, b in itertools.pairwise(world.sent("WATCHDOG=1"))) < 1.2


@pytest.mark.parametrize("code", [-9, -11, -6, 1, 137])
def test_a_crash_is_sounded_at_once_and_mended(code: int) -> None:
    world = World()
    world.run(10)
    died = world.clock.now()
    world.guide.ends_with = code
    world.run(0.1)
    assert world.alarm.heard("failed")[0] - died <= 2 * STEP_S
    assert world.supervisor.state == "failed"
    world.run(2.9)
    assert len(world.guides) == 2 and world.supervisor.state == "guiding"
    assert world.supervisor.restarts == 1
    heard = len(world.alarm.log)
    world.run(5)
    assert len(world.alarm.log) == heard  # quiet again
    assert "close" in world.guides[0].got


@pytest.mark.parametrize(("sign", "limit_s"), [(True, 12.0), (False, 6.0)])
def test_a_start_that_hangs_is_ended(sign: bool, limit_s: float) -> None:
    world = World(WatchLimits(start_timeout_s=12, first_heartbeat_s=6), loads_s=1e9)
    world.guide.stuck = "" if sign else "all"
    world.run(4)
    assert bool(world.alarm.heard("failed")) is not sign
    world.run(limit_s - 3)
    assert world.guides[0].got[0] == "close with stacks" and len(world.guides) == 2


@pytest.mark.parametrize("stuck", ["frames", "sound", "all"])
def test_a_hang_is_sounded_within_a_second_and_ended_within_three(stuck: str) -> None:
    world = World()
    world.run(10)
    hung = world.clock.now()
    world.guide.stuck = stuck
    world.run(3.0)
    assert 0.5 < world.alarm.heard("failed")[0] - hung < 0.95
    assert world.guides[0].got[:1] == ["close with stacks"]
    assert len(world.guides) == 2  # started again within 3 s
    world.run(1.5)
    assert world.supervisor.state == "guiding"


def test_a_short_stall_is_sounded_but_not_punished() -> None:
    world = World()
    world.run(10)
    world.guide.stuck = "all"
    world.run(1.2)
    assert world.alarm.heard("failed")
    world.guide.stuck = ""
    world.run(5)
    assert world.supervisor.restarts == 0 and world.guide.got == []
    assert world.alarm.log[-1][1] == "" or not world.alarm.playing
    assert any(event == "recovered" for event, _ in world.logged)


def test_restarts_are_limited_paused_and_the_end_is_announced() -> None:
    world = World()
    world.on_launch.append(lambda guide: setattr(guide, "ends_with", -11))
    world.guide.ends_with = -11
    world.run(60)
    assert world.supervisor.result == 1 and world.supervisor.state == "gave_up"
    assert world.supervisor.restarts == 5
    assert len(world.guides) == 6
    assert len(world.alarm.heard("gave_up:gave_up")) == 3
    assert world.supervisor.reason == "was ended by signal 11"


def test_old_failures_do_not_count() -> None:
    world = World()
    for _ in range(12):
        world.run(15)
        world.guide.ends_with = -9
    world.run(5)
    assert world.supervisor.state == "guiding" and world.supervisor.restarts == 12


@pytest.mark.parametrize(("code", "heard"), [(2, 3), (0, 0)])
def test_a_wrong_configuration_is_not_tried_again_nor_a_recording_that_ends(
    code: int, heard: int
) -> None:
    world = World()
    world.guide.ends_with = code
    world.run(30)
    assert len(world.guides) == 1 and world.supervisor.result == code
    assert len(world.alarm.heard("gave_up:config")) == heard


@pytest.mark.parametrize(("code", "words"), [(3, "failing:input"), (4, "failing:device")])
def test_a_missing_device_is_waited_for(code: int, words: str) -> None:
    world = World(WatchLimits(missing_limit_s=100))
    fail = [True]
    world.on_launch.append(lambda g: setattr(g, "ends_with", code) if fail[0] else None)
    world.guide.ends_with = code
    world.run(60)
    assert world.supervisor.restarts > 10 and world.supervisor.result is None
    assert world.alarm.heard(words)
    fail[0] = False
    world.run(4)
    assert world.supervisor.state == "guiding"
    fail[0] = True
    world.guide.ends_with = code
    world.run(130)  # missing for good
    assert world.supervisor.result == code and world.alarm.heard("gave_up:gave_up")


def test_time_that_the_machine_slept_does_not_count() -> None:
    world = World()
    world.run(10)
    for away_s in (0.6, 5.0, 3600.0):
        stopped = world.guide.heartbeats
        world.guide.heartbeats = list  # it slept too
        world.clock.advance(away_s)
        world.supervisor.step()
        world.guide.heartbeats = stopped
        world.run(2)
        assert world.supervisor.restarts == 0 and world.alarm.log == []
    world.guide.stuck = "all"  # afterwards it is watched as before
    world.run(1)
    assert world.alarm.heard("failed")


def test_no_process_can_be_started() -> None:
    world = World()
    world.run(5)
    world.cannot_launch = 2
    world.guide.ends_with = -9
    world.run(6)
    assert world.supervisor.state == "guiding" and len(world.guides) == 2
    assert world.alarm.heard("failed")


@pytest.mark.parametrize(("obeys", "seconds"), [(True, 0.1), (False, 1.9)])
def test_stop_ends_in_order_and_in_time(obeys: bool, seconds: float) -> None:
    world = World(obeys=obeys)
    world.run(5)
    world.supervisor.stop()
    assert world.guide.got == ["SIGTERM"] and world.sent("STOPPING=1")
    world.guide.stuck = "" if obeys else "all"
    world.run(seconds)
    assert world.supervisor.result == 0 and world.alarm.log == []
    world = World()  # while it failed
    world.guide.ends_with = -9
    world.run(0.05)
    world.supervisor.stop()
    assert world.supervisor.result == 0


def test_reload_is_passed_on_and_its_loading_is_no_hang() -> None:
    world = World()
    world.run(5)
    world.supervisor.pass_on(signal.SIGHUP)
    assert world.guide.got == ["SIGHUP"]
    world.guide._born_s = world.clock.now()  # it loads anew, 4 s this time
    world.guide._loads_s = 4.0
    world.run(10)
    assert world.supervisor.restarts == 0 and world.supervisor.state == "guiding"


def test_a_reload_during_a_start_waits_for_the_first_heartbeat() -> None:
    world = World()
    world.guide.stuck = "all"
    world.supervisor.pass_on(signal.SIGHUP)
    world.run(1)
    assert world.guide.got == []  # a guide without handlers yet would end by it
    world.guide.stuck = ""
    world.run(1)
    assert world.guide.got == ["SIGHUP"]
    world.supervisor.pass_on(signal.SIGUSR1)
    assert world.guide.got == ["SIGHUP", "SIGUSR1"]


def test_the_watchdog_is_not_fed_by_time() -> None:
    world = World(WatchLimits(restart_after_s=50, alarm_after_s=40))
    world.run(5)
    world.guide.stuck = "sound"
    world.run(1)
    fed = len(world.sent("WATCHDOG=1"))
    world.run(30)  # heartbeats come, frames move, but nothing is heard
    assert len(world.sent("WATCHDOG=1")) == fed


def test_without_a_sound_device_frames_alone_count() -> None:
    world = World()
    world.run(2)

    real = world.guide.heartbeats
    world.guide.heartbeats = lambda: [replace(heartbeat, samples=None) for heartbeat in real()]
    world.run(20)
    assert world.supervisor.restarts == 0 and world.alarm.log == []


@pytest.mark.parametrize("code", [3, 4, BROKEN])
def test_the_first_restart_comes_at_once_and_later_ones_back_off(code: int) -> None:
    world = World(loads_s=0.5)
    pauses_s = []
    for _ in range(6):
        world.run(4)
        ended_s, guides = world.clock.now(), len(world.guides)
        world.guide.ends_with = code
        while len(world.guides) == guides:
            world.run(STEP_S)
        pauses_s.append(world.clock.now() - ended_s)
    assert pauses_s == pytest.approx([0.15, 0.45, 1.05, 2.05, 2.05, 2.05], abs=2 * STEP_S)
    world.run(90)  # it guides well: forgotten
    world.guide.ends_with = code
    world.run(0.3)
    assert len(world.guides) == guides + 2


@pytest.mark.parametrize(("reason", "result"), [("", None), ("depth_failed", BROKEN)])
def test_a_network_that_hangs_again_and_again_is_waited_for(
    reason: str, result: int | None
) -> None:
    """Slow for a while; without a single depth in between, not for ever."""
    world = World(WatchLimits(missing_limit_s=100))
    world.on_launch.append(lambda guide: setattr(guide, "reason", reason))
    world.guide.reason = reason
    for _ in range(12):  # 78 s
        world.run(4)
        world.guide.ends_with = BROKEN
        world.run(2.5)
        assert world.supervisor.result is None and world.alarm.heard("failed")
    for _ in range(12):
        world.run(4)
        world.guide.ends_with = BROKEN
        world.run(2.5)
    world.run(20)
    assert world.supervisor.result == result


FAULTS = st.lists(
    st.tuples(
        st.floats(0.1, 20.0),  # seconds until it
        st.sampled_from(["crash", "frames", "sound", "all", "missing"]),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(faults=FAULTS, loads_s=st.floats(0.05, 3.0))
@example(faults=[(1.0, "crash"), (0.1875, "all")], loads_s=1.0)  # hangs before its first heartbeat
def test_never_silent_for_more_than_a_second(
    faults: list[tuple[float, str]], loads_s: float
) -> None:
    """Whatever fails whenever: at each moment somebody guides, or an alarm began < 1 s ago."""
    world = World(
        WatchLimits(restarts=100, start_timeout_s=5, first_heartbeat_s=5), loads_s=loads_s
    )
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
