"""What sounds for which scene."""

import itertools
from dataclasses import replace

import pytest
from hearing import (
    CLEAR,
    CLOSE,
    FAR,
    NEAR,
    SPEECH,
    STOP,
    UNKNOWN,
    first_cue,
    mapper,
    run,
    scene,
)

from sonar.audio.cues import PulseMapper
from sonar.audio.cues.urgency import EARLY_SILENCE_S, urgency_hz
from sonar.config import AudioConfig
from sonar.types import (
    Band,
    CueKind,
    Height,
    Priority,
    Reason,
    Scene,
    Side,
    State,
    ZoneReading,
)


@pytest.mark.parametrize(
    ("zones", "pan"),
    [
        ((NEAR, CLEAR, CLEAR), -1.0),
        ((CLEAR, NEAR, CLEAR), 0.0),
        ((CLEAR, CLEAR, NEAR), 1.0),
        ((NEAR, CLOSE, FAR), 0.0),
        ((CLOSE, NEAR, STOP), 1.0),
        ((NEAR, NEAR, CLEAR), 0.0),
        ((CLEAR, NEAR, NEAR), 0.0),
    ],
)
def test_the_nearest_is_heard_from_its_side_and_the_center_wins_ties(zones, pan):
    assert first_cue(*zones).pan == pan


def test_a_collision_course_outranks_what_is_merely_nearer():
    closing = (Band.FAR, 0.2, {"ttc_s": 1.2})
    assert first_cue(closing, NEAR, CLEAR).pan == -1.0


def test_clear_is_silence():
    cue = first_cue()
    assert (cue.kind, cue.earcon, cue.phrase, cue.why) == (CueKind.SILENCE, None, None, "clear")


def test_stop_is_continuous_and_a_danger():
    cue = first_cue(STOP)
    assert (cue.kind, cue.priority) == (CueKind.CONTINUOUS, Priority.DANGER)
    assert (cue.phrase, cue.level_db) == ("stop_left", 0.0)


@pytest.mark.parametrize(
    ("height", "pitch_hz", "earcon"),
    [(Height.FLOOR, 250.0, None), (Height.BODY, 500.0, None), (Height.HEAD, 1000.0, "head")],
)
def test_pitch_follows_the_height(height, pitch_hz, earcon):
    cue = first_cue((Band.CLOSE, 0.7, {"height": height}))
    assert (cue.pitch_hz, cue.earcon) == (pitch_hz, earcon)


def test_the_head_earcon_is_heard_once_per_obstacle():
    hanging = (Band.CLOSE, 0.7, {"height": Height.HEAD})
    cues = run(mapper(), lambda t: scene(hanging, t=t), 3.0)
    assert [t for t, cue in cues if cue.earcon == "head"] == [0.0]


@pytest.mark.parametrize("zone", [FAR, NEAR])
def test_an_early_band_falls_silent_without_change(zone):
    cues = run(mapper(), lambda t: scene(zone, t=t), 5.0)
    for t, cue in cues:
        assert cue.kind is (CueKind.PULSE if t < EARLY_SILENCE_S else CueKind.SILENCE), t
    assert cues[-1][1].why.startswith("unchanged, ")


@pytest.mark.parametrize("zone", [CLOSE, STOP])
def test_what_is_close_never_falls_silent(zone):
    cues = run(mapper(), lambda t: scene(zone, t=t), 30.0)
    assert all(cue.kind is not CueKind.SILENCE for _, cue in cues)


def test_an_approaching_obstacle_stays_audible():
    cues = run(mapper(), lambda t: scene((Band.NEAR, 0.2 * 1.06**t), t=t), 12.0)
    assert sum(cue.kind is CueKind.PULSE for _, cue in cues) == len(cues)


def test_a_collision_course_is_heard_even_where_proximity_does_not_change():
    closing = (Band.FAR, 0.2, {"ttc_s": 3.0})
    cues = run(mapper(), lambda t: scene(closing, t=t), 10.0)
    assert cues[-1][1].kind is CueKind.PULSE


def test_a_receding_obstacle_stops_sounding_while_it_is_far_or_near():
    own = mapper()
    own.update(scene(NEAR, t=0.0))
    cues = run(own, lambda t: scene((Band.NEAR, 0.4 * 0.8**t), t=t), 2.0, start_s=0.05)
    assert {cue.kind for t, cue in cues if t > 1.0} == {CueKind.SILENCE}
    again = own.update(scene((Band.CLOSE, 0.9), t=2.1))
    assert again.kind is CueKind.PULSE


@pytest.mark.parametrize("band", [Band.CLOSE, Band.STOP])
def test_what_is_close_is_heard_while_it_recedes(band):
    def make(t):
        zones = [(band, proximity * 0.8**t) for proximity in (0.85, 0.9, 0.8)]
        return scene(*zones, t=t)

    assert all(cue.kind is not CueKind.SILENCE for _, cue in run(mapper(), make, 3.0))


@pytest.mark.parametrize(
    ("zones", "pan", "phrase"),
    [
        (((Band.CLOSE, 0.72), (Band.CLOSE, 0.82), (Band.CLOSE, 0.84)), 0.0, "close_center"),
        (((Band.CLOSE, 0.84), (Band.CLOSE, 0.71), (Band.CLOSE, 0.71)), 0.0, "close_center"),
        (((Band.STOP, 0.95), (Band.STOP, 0.87), (Band.STOP, 0.93)), 0.0, "stop"),
        (((Band.NEAR, 0.68), (Band.NEAR, 0.4), CLEAR), 0.0, "near_center"),
        # a nearer band on one side, but within 12 % of the distance: 0.58 m beside 0.64 m
        (((Band.STOP, 0.855), (Band.CLOSE, 0.84), (Band.CLOSE, 0.7)), 0.0, "stop"),
        # and farther than that: 0.4 m beside 0.8 m, 1 m beside 1.4 m
        (((Band.CLOSE, 0.7), (Band.CLOSE, 0.8), (Band.STOP, 0.9)), 1.0, "stop_right"),
        (((Band.CLOSE, 0.75), (Band.NEAR, 0.65), CLEAR), -1.0, "close_left"),
        # a collision on one side is far more urgent than what is as near
        ((CLEAR, (Band.NEAR, 0.4), (Band.NEAR, 0.4, {"ttc_s": 1.0})), 1.0, "approaching_right"),
    ],
)
def test_the_center_leads_when_it_is_as_near_as_a_side(zones, pan, phrase):
    cue = mapper(verbosity="chatty").update(scene(*zones))
    assert (cue.pan, cue.phrase) == (pan, phrase)
    stop = any(zone[0] is Band.STOP for zone in zones)
    assert (cue.priority is Priority.DANGER) == stop
    if not stop:  # the sound is as fast as the most urgent side asks for
        assert cue.rate_hz == max(urgency_hz(zone) for zone in scene(*zones).zones)


def test_the_center_leads_beside_a_close_side_though_it_has_not_changed_for_long():
    own = mapper()
    run(own, lambda t: scene(CLEAR, (Band.NEAR, 0.68), CLEAR, t=t), 4.0)
    assert own.update(scene((Band.CLOSE, 0.71), (Band.NEAR, 0.68), CLEAR, t=4.0)).pan == 0.0


def test_a_side_takes_over_from_the_center_after_half_a_second_or_at_once():
    def last_of(side, center, seconds):
        own = mapper()
        own.update(scene(CLEAR, CLOSE, CLEAR, t=0.0))
        make = lambda t: scene(CLEAR, center, side, t=t)  # noqa: E731
        return run(own, make, seconds, start_s=0.05)[-1][1].pan

    near, close = (Band.NEAR, 0.64), (Band.CLOSE, 0.74)  # 1.4 m and 1 m
    assert last_of(close, near, 0.4) == 0.0
    assert last_of(close, near, 0.7) == 1.0
    assert last_of(close, (Band.FAR, 0.2), 0.05) == 1.0  # what is ahead is much farther
    assert last_of(STOP, near, 0.05) == 1.0


def test_a_silent_early_obstacle_does_not_hide_a_new_one():
    own = mapper()
    run(own, lambda t: scene(CLEAR, NEAR, CLEAR, t=t), 4.0)
    cue = own.update(scene(FAR, NEAR, CLEAR, t=4.1))
    assert (cue.kind, cue.pan) == (CueKind.PULSE, -1.0)


def test_the_lead_does_not_flicker_between_equals():
    own = mapper()
    pans = set()
    for i in range(40):
        wobble = 0.01 * (-1) ** i
        left, right = (Band.CLOSE, 0.7 + wobble), (Band.CLOSE, 0.7 - wobble)
        pans.add(own.update(scene(left, CLEAR, right, t=i / 20)).pan)
    assert len(pans) == 1


def test_unknown_is_heard_and_keeps_being_heard():
    own = mapper()
    cues = run(own, lambda t: Scene.unknown(round(t * 1000), t, Reason.DARK), 20.0)
    assert all(
        (cue.kind, cue.earcon, cue.rate_hz) == (CueKind.EARCON, "unknown", 0.5) for _, cue in cues
    )
    assert [cue.phrase for _, cue in cues if cue.phrase] == ["unknown_dark"]


def test_going_blind_while_guiding_has_its_own_earcon_first():
    own = mapper()
    own.update(scene(t=0.0))
    assert own.update(Scene.unknown(1, 0.1, Reason.STALE)).earcon == "degraded"
    assert own.update(Scene.unknown(1, 0.2, Reason.STALE)).earcon == "unknown"
    sees = own.update(scene(t=5.0))
    assert (sees.earcon, sees.phrase) == ("guiding", "state_guiding")


@pytest.mark.parametrize(
    ("zones", "pan"),
    [
        ((UNKNOWN, CLEAR, CLEAR), -1.0),
        ((CLEAR, CLEAR, UNKNOWN), 1.0),
        ((UNKNOWN, UNKNOWN, CLEAR), -0.5),
        ((UNKNOWN, CLEAR, UNKNOWN), 0.0),
    ],
)
def test_what_is_unknown_is_heard_from_where_it_is(zones, pan):
    cue = first_cue(*zones)
    assert (cue.kind, cue.earcon, cue.pan) == (CueKind.EARCON, "unknown", pan)


def test_an_obstacle_is_heard_beside_the_unknown_which_is_heard_every_two_seconds():
    cues = run(mapper(), lambda t: scene(CLOSE, UNKNOWN, CLEAR, t=t), 7.0)
    assert all((cue.kind, cue.pan) == (CueKind.PULSE, -1.0) for _, cue in cues)
    heard = [t for t, cue in cues if cue.earcon == "unknown"]
    assert heard == pytest.approx([0.0, 2.0, 4.0, 6.0], abs=0.06)


def test_degraded_with_known_zones_is_heard_too():
    cue = first_cue(CLEAR, CLEAR, CLEAR, state=State.DEGRADED, reason=Reason.NO_GROUND)
    assert (cue.earcon, cue.phrase) == ("unknown", "unknown_no_ground")


@pytest.mark.parametrize("zones", [(), (NEAR,), (CLOSE, CLOSE, CLOSE)])
def test_a_drop_close_by_pre_empts_everything_but_stop(zones):
    cue = first_cue(*zones, drop_off=True, drop_off_distance_m=1.5)
    assert (cue.kind, cue.earcon) == (CueKind.EARCON, "drop_off")
    assert (cue.priority, cue.phrase) == (Priority.DANGER, "drop")
    assert cue.rate_hz > 0.5
    assert "1.5 m" in cue.why


def test_a_drop_beside_stop_rides_on_its_tone():
    cues = run(mapper(), lambda t: scene(STOP, t=t, drop_off=True), 3.0)
    assert all(cue.kind is CueKind.CONTINUOUS for _, cue in cues)
    assert sum(cue.earcon == "drop_off" for _, cue in cues) == 4


def test_a_drop_farther_off_does_not_hide_what_is_close():
    cue = first_cue(CLEAR, CLOSE, CLEAR, drop_off=True, drop_off_distance_m=4.0)
    assert (cue.kind, cue.earcon) == (CueKind.PULSE, "drop_off")


@pytest.mark.parametrize("state", [State.LOADING, State.READY, State.STOPPED])
def test_every_state_has_its_own_earcon(state):
    zones = [ZoneReading(side, Band.UNKNOWN) for side in Side]
    cue = mapper().update(Scene(-1, 0.0, *zones, state=state))
    assert (cue.kind, cue.earcon, cue.phrase) == (CueKind.EARCON, state, f"state_{state}")


def test_quiet_leaves_pulses_out_and_nothing_else():
    own = PulseMapper(AudioConfig(scheme="quiet"), SPEECH)
    near = own.update(scene(CLOSE, t=0.0))
    assert (near.kind, near.phrase) == (CueKind.SILENCE, "close_left")
    assert own.update(scene(STOP, t=0.1)).kind is CueKind.CONTINUOUS
    assert own.update(scene(drop_off=True, t=0.2)).earcon == "drop_off"
    assert own.update(Scene.unknown(9, 0.3, Reason.DARK)).kind is CueKind.EARCON


def test_sides_whose_urgency_flickers_do_not_throw_the_sound_to_and_fro():
    def make(t):
        ttc = {"ttc_s": 2.0} if round(t * 20) % 2 else {}
        return replace(scene(CLOSE, CLEAR, (Band.CLOSE, 0.7, ttc)), t=t)

    pans = [cue.pan for _, cue in run(mapper(), make, 2.0)]
    assert sum(a != b for a, b in itertools.pairwise(pans)) <= 4  # 39 without a hold


def test_a_nearer_band_takes_the_lead_at_once():
    one = mapper()
    one.update(replace(scene(NEAR, CLEAR, CLEAR), t=0.0))
    one.update(replace(scene(NEAR, CLEAR, (Band.NEAR, 0.9)), t=0.05))
    assert one.update(replace(scene((Band.NEAR, 0.55), CLOSE, CLEAR), t=0.1)).pan == 0.0


def test_zones_that_settle_after_ready_are_not_called_unknown_but_stay_so_and_they_are():
    one = mapper()
    one.update(replace(scene(UNKNOWN, UNKNOWN, UNKNOWN, state=State.READY), t=0.0))
    partly = scene(CLEAR, UNKNOWN, CLEAR)
    assert one.update(replace(partly, t=0.1)).earcon is None
    assert one.update(replace(partly, t=0.5)).earcon == "unknown"
    one = mapper()
    one.update(replace(scene(UNKNOWN, UNKNOWN, UNKNOWN, state=State.READY), t=0.0))
    lost = replace(Scene.unknown(0, 0.1, Reason.DARK), t=0.1)
    assert one.update(lost).earcon is not None  # what is known to be wrong is heard at once
