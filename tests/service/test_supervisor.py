"""What the supervisor decides, on a clock of its own: no process, no sound, no waiting."""

import signal
from typing import Any

import pytest
from supervisor_kit import STEP_S, World

from sonar.service.supervisor.supervisor import BROKEN, WatchLimits


def test_a_guide_that_works_is_left_alone() -> None:
    world = World()
    world.run(60)
    assert world.supervisor.state == "guiding" and world.supervisor.restarts == 0
    assert world.alarm.log == [] and world.guide.got == []
    assert world.notifier.messages.count("READY=1") == 1
    assert max(b - a for a, b in zip(world.notifier.fed, world.notifier.fed[1:], strict=False)) < 1


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


def test_the_alarm_goes_on_until_somebody_guides() -> None:
    world = World(loads_s=6.0)
    world.run(10)
    world.guide.ends_with = -9
    silent_s = longest_s = 0.0
    while world.supervisor.state != "guiding" or world.guide.ends_with:
        world.run(STEP_S)
        silent_s = 0.0 if world.alarm.sounds_now() else silent_s + STEP_S
        longest_s = max(longest_s, silent_s)
    assert longest_s < 1.0
    assert world.alarm.heard("failing:failed")


def test_restarts_are_limited_paused_and_the_end_is_announced() -> None:
    world = World()
    world.on_launch.append(lambda guide: setattr(guide, "ends_with", -11))
    world.guide.ends_with = -11
    world.run(60)
    assert world.supervisor.result == 1 and world.supervisor.state == "gave_up"
    assert world.supervisor.restarts == 5
    started = [t for t, _ in ((f["pid"], 0) for e, f in world.logged if e == "started")]
    assert len(started) == 6
    assert len(world.alarm.heard("gave_up:gave_up")) == 3
    assert "STATUS=gave up: was ended by signal 11" in world.notifier.messages


def test_old_failures_do_not_count() -> None:
    world = World()
    for _ in range(12):
        world.run(15)
        world.guide.ends_with = -9
    world.run(5)
    assert world.supervisor.state == "guiding" and world.supervisor.restarts == 12


def test_a_wrong_configuration_is_not_tried_again() -> None:
    world = World()
    world.guide.ends_with = 2
    world.run(30)
    assert len(world.guides) == 1 and world.supervisor.result == 2
    assert world.alarm.heard("gave_up:config")


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


def test_a_device_that_stays_missing_ends_it() -> None:
    world = World(WatchLimits(missing_limit_s=30))
    world.on_launch.append(lambda guide: setattr(guide, "ends_with", 4))
    world.guide.ends_with = 4
    world.run(60)
    assert world.supervisor.result == 4 and world.alarm.heard("gave_up:gave_up")


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


def test_a_start_that_hangs_is_ended() -> None:
    world = World(WatchLimits(start_timeout_s=5), loads_s=1e9)
    world.run(7)
    assert world.guides[0].got[0] == "close with stacks" and len(world.guides) == 2


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


def test_a_wall_clock_that_jumps_changes_nothing() -> None:
    world = World()
    world.clock.wall = lambda: -1e9
    world.run(10)
    world.clock.wall = lambda: 4e9
    world.run(10)
    assert world.supervisor.restarts == 0 and world.alarm.log == []


def test_a_start_without_a_sign_is_sounded_and_ended() -> None:
    world = World(WatchLimits(first_heartbeat_s=6), loads_s=1e9)
    world.guide.stuck = "all"
    world.run(4)
    assert world.alarm.heard("failed")
    world.run(3)
    assert len(world.guides) == 2


def test_a_recording_that_ends_is_no_failure() -> None:
    world = World()
    world.run(5)
    world.guide.ends_with = 0
    world.run(1)
    assert world.supervisor.result == 0 and world.alarm.log == []


def test_no_process_can_be_started() -> None:
    world = World()
    world.run(5)
    world.cannot_launch = 2
    world.guide.ends_with = -9
    world.run(6)
    assert world.supervisor.state == "guiding" and len(world.guides) == 2
    assert world.alarm.heard("failed")


def test_stop_ends_in_order_and_in_time() -> None:
    world = World()
    world.run(5)
    world.supervisor.stop()
    assert world.guide.got == ["SIGTERM"] and "STOPPING=1" in world.notifier.messages
    world.run(0.1)
    assert world.supervisor.result == 0 and world.alarm.log == []


def test_stop_does_not_wait_for_a_guide_that_hangs() -> None:
    world = World(obeys=False)
    world.run(5)
    world.guide.stuck = "all"
    world.supervisor.stop()
    world.run(1.9)
    assert world.supervisor.result == 0 and "close" in world.guide.got


def test_stop_while_failed_and_while_giving_up() -> None:
    world = World()
    world.run(5)
    world.guide.ends_with = -9
    world.run(0.05)
    world.supervisor.stop()
    assert world.supervisor.result == 0
    world.run(3)
    assert len(world.guides) == 1


def test_reload_is_passed_on_and_its_loading_is_no_hang() -> None:
    world = World()
    world.run(5)
    world.supervisor.pass_on(signal.SIGHUP)
    assert world.guide.got == ["SIGHUP"]
    world.guide._born_s = world.clock.now()  # it loads anew, 4 s this time
    world.guide._loads_s = 4.0
    world.run(10)
    assert world.supervisor.restarts == 0 and world.supervisor.state == "guiding"


def test_the_watchdog_is_not_fed_by_time() -> None:
    world = World(WatchLimits(restart_after_s=50, alarm_after_s=40))
    world.run(5)
    world.guide.stuck = "sound"
    world.run(1)
    fed = len(world.notifier.fed)
    world.run(30)  # heartbeats come, frames move, but nothing is heard
    assert len(world.notifier.fed) == fed


def test_without_a_sound_device_frames_alone_count() -> None:
    world = World()
    world.run(2)

    real = world.guide.heartbeats

    def deaf() -> list[Any]:
        from dataclasses import replace

        return [replace(heartbeat, samples=None) for heartbeat in real()]

    world.guide.heartbeats = deaf
    world.run(20)
    assert world.supervisor.restarts == 0 and world.alarm.log == []
