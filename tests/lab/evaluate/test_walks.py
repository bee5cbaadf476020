"""Labeled recordings: what counts as a warning, the figures, and labels that are wrong."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonar.config import MountConfig, SonarConfig
from sonar.errors import SourceError
from sonar.lab.evaluate.heard import EARLY_S, ClipResult, judge, warnings_of
from sonar.lab.evaluate.labels import Clip, Truth, find_clips, name_apart, read_truth
from sonar.lab.evaluate.walks import WALK_FIGURES, walk_figures
from sonar.records import Event

OBSTACLE = {"from_s": 3.0, "to_s": 6.0, "kind": "obstacle", "side": "left", "contact_s": 5.5}


def tone(t: float, why: str, side: str | None = "left", name: str = "pulse") -> Event:
    return Event.model_validate(
        {"t": t, "frame": 0, "kind": "cue", "name": name, "side": side, "why": why}
    )


def said(t: float, key: str, side: str = "left") -> Event:
    return Event.model_validate(
        {"t": t, "frame": 0, "kind": "speech", "name": key, "side": side, "text": key}
    )


def silence(t: float) -> Event:
    return tone(t, "clear", None, "silence")


def truth(*events: dict[str, object]) -> Truth:
    return Truth.model_validate({"schema": "sonar.truth/1", "events": list(events)})


def result(events: list[Event], *labels: dict[str, object], duration_s: float = 30.0) -> ClipResult:
    return judge("a", truth(*labels), events, duration_s, 0, 300)


def test_a_warning_in_time_on_the_right_side() -> None:
    found = result([silence(0.0), tone(3.5, "close, left, 1.1 m"), silence(6.0)], OBSTACLE)
    (event,) = found.events
    assert (event.warned_at_s, event.lead_s, event.side_heard) == (3.5, 2.0, "left")
    assert found.false_alarms == () and found.cues == 1


@pytest.mark.parametrize(
    "heard",
    [
        [tone(3.5, "near, left, 2.0 m"), silence(6.0)],  # it informs, it does not warn
        [tone(3.5, "unknown, dark", None, "unknown"), silence(6.0)],
        [tone(3.5, "possible drop, ahead", "center", "drop_off"), silence(6.0)],
        [silence(0.0), tone(5.6, "stop, left"), silence(7.0)],  # after contact
        [tone(0.0, "close, left"), silence(1.5)],  # long before
        [said(4.0, "near_left"), said(4.5, "state_ready")],
    ],
)
def test_what_is_no_warning_of_it(heard: list[Event]) -> None:
    (event,) = result(heard, OBSTACLE).events
    assert event.warned_at_s is None and event.lead_s is None and event.side_heard is None


@pytest.mark.parametrize(
    "heard",
    [
        tone(4.0, "stop, left", name="continuous"),
        tone(4.0, "near, left, 2.0 m, collision in 1.5 s"),
        said(4.0, "approaching_left"),
        said(4.0, "head_left"),
        said(4.0, "step_left"),
    ],
)
def test_what_is_one(heard: Event) -> None:
    (event,) = result([heard], OBSTACLE).events
    assert event.warned_at_s == 4.0 and event.side_heard == "left"


def test_a_drop_is_announced_by_its_own_warning_only() -> None:
    drop = {"from_s": 3.0, "to_s": 6.0, "kind": "drop", "side": "center"}
    warned = tone(4.0, "possible drop, ahead, 1.2 m", "center", "drop_off")
    assert result([warned, silence(5.0)], drop).events[0].warned_at_s == 4.0
    assert result([said(4.0, "drop")], drop).events[0].warned_at_s == 4.0
    other = result([tone(4.0, "close, center", "center"), silence(5.0)], drop)
    assert other.events[0].warned_at_s is None and len(other.false_alarms) == 1


def test_the_side_that_warns_longest_counts() -> None:
    events = [tone(3.0, "close, right", "right"), tone(3.5, "close, left"), silence(6.0)]
    assert result(events, OBSTACLE).events[0].side_heard == "left"
    events = [tone(3.0, "close, right", "right"), tone(5.0, "close, left"), silence(5.5)]
    assert result(events, OBSTACLE).events[0].side_heard == "right"


def test_tone_and_phrase_are_one_warning_and_sides_are_two() -> None:
    events = [
        tone(10.0, "close, left"), said(10.1, "close_left"), silence(11.0),
        tone(11.5, "stop, left"), tone(12.0, "close, right", "right"), silence(13.0),
        tone(20.0, "close, left"), silence(21.0),
    ]  # fmt: skip
    starts = [(w.start_s, w.end_s, w.side) for w in warnings_of(events, 30.0)]
    assert starts == [(10.0, 12.0, "left"), (12.0, 13.0, "right"), (20.0, 21.0, "left")]
    figures = walk_figures([result(events)])
    assert figures["false_alarms_per_minute"] == pytest.approx(3 / 0.5)
    assert figures["cues_per_minute"] == pytest.approx(5 / 0.5)
    assert figures["warning_recall"] is None and figures["ci"]["warning_recall"] is None


def test_warnings_just_before_and_after_an_event_are_no_false_alarms() -> None:
    events = [tone(2.2, "close, left"), silence(2.5), tone(6.8, "close, left"), silence(7.5)]
    assert result(events, OBSTACLE).false_alarms == ()
    assert len(result([tone(7.2, "close, left"), silence(9)], OBSTACLE).false_alarms) == 1


def test_an_early_warning_leads_by_no_more_than_the_event_and_a_second() -> None:
    (event,) = result([tone(0.0, "close, left"), silence(6.0)], OBSTACLE).events
    assert event.warned_at_s == 3.0 - EARLY_S
    assert event.lead_s == 5.5 - 3.0 + EARLY_S


def test_what_stays_away_needs_no_warning_and_excuses_one() -> None:
    far = {"from_s": 3.0, "to_s": 6.0, "kind": "person", "side": "left", "nearest_m": 2.4}
    events = [tone(3.5, "close, left"), silence(5.0)]
    assert result(events, far).events == () and result(events, far).false_alarms == ()
    assert len(result(events, far | {"nearest_m": 1.4}).events) == 1
    assert len(result(events, far | {"contact_s": 5.0}).events) == 1


def good(name: str) -> ClipResult:
    found = result([tone(3.5, "close, left"), silence(6.0)], OBSTACLE)
    return found.model_copy(update={"name": name})


def missed(name: str) -> ClipResult:
    return result([silence(0.0)], OBSTACLE).model_copy(update={"name": name})


def test_figures_over_recordings_and_their_intervals() -> None:
    figures = walk_figures([good("a"), good("b"), good("c"), missed("d")])
    assert figures["warning_recall"] == 0.75 and figures["warned_1s_ahead"] == 0.75
    assert figures["lead_median_s"] == 2.0 and figures["side_accuracy"] == 1.0
    assert figures["by_kind"]["obstacle"] == {"events": 4, "warned": 3}
    interval = figures["ci"]["warning_recall"]
    assert interval is not None and interval[0] < 0.75 < interval[1]
    assert (
        walk_figures([good("a"), missed("b")], seed=1)["ci"]
        == walk_figures([good("a"), missed("b")], seed=1)["ci"]
    )
    assert all(value is None for value in walk_figures([good("a")])["ci"].values())


@settings(deadline=None, max_examples=20)
@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_figures_do_not_depend_on_the_order(hits: list[bool]) -> None:
    clips = [good(str(i)) if hit else missed(str(i)) for i, hit in enumerate(hits)]

    def plain(figures: dict[str, object]) -> dict[str, object]:
        return {name: figures[name] for name in WALK_FIGURES}

    figures = walk_figures(clips)
    assert plain(figures) == plain(walk_figures(clips[::-1]))
    assert figures["warning_recall"] == pytest.approx(sum(hits) / len(hits), abs=1e-4)


# --- label files -----------------------------------------------------------------------------

LABELS = (
    "schema: sonar.truth/1\nfps: 10\nevents:\n  - {from_s: 1, to_s: 2, kind: head, side: left}\n"
)


def labeled(folder: Path, video: str = "video.mp4", labels: str = "events_truth.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / video).write_bytes(b"x")
    (folder / labels).write_text(LABELS)
    return folder


def test_labels_are_found_beside_their_recordings(tmp_path: Path) -> None:
    labeled(tmp_path / "b")
    labeled(tmp_path / "a" / "b")
    labeled(tmp_path, "Walk 1.MOV", "Walk 1.truth.yaml")
    (tmp_path / "other.yaml").write_text("no labels")
    names = [clip.name for clip in find_clips(tmp_path)]
    assert names == ["Walk 1", "b"]  # one folder deep, as for images
    one = find_clips(tmp_path / "Walk 1.MOV")
    assert [clip.video.name for clip in one] == ["Walk 1.MOV"]
    assert one[0].truth.events[0].kind == "head" and one[0].truth.events[0].until_s == 2.0
    assert find_clips(tmp_path / "b" / "video.mp4")[0].name == "b"
    both = name_apart([*find_clips(tmp_path / "b"), *find_clips(tmp_path / "a")])
    assert [clip.name for clip in both] == ["b", "b_2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not YAML"),
        ("events: []", "schema"),
        ("schema: sonar.truth/2", "schema"),
        (LABELS.replace("head", "cat"), "events.0.kind"),
        (LABELS.replace("to_s: 2", "to_s: 0"), "from_s is after to_s"),
        (LABELS.replace("side: left", "side: left, contact_s: 0"), "contact_s is before"),
        (LABELS.replace("to_s: 2", "to_s: .inf"), "to_s"),
        ("just words", "the file"),
    ],
)
def test_labels_that_are_wrong_are_errors(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a.truth.yaml"
    file.write_text(text)
    with pytest.raises(SourceError, match=r"a\.truth\.yaml") as error:
        read_truth(file)
    assert message in str(error.value)


def test_labels_without_a_recording_and_a_recording_without_labels(tmp_path: Path) -> None:
    (tmp_path / "events_truth.yaml").write_text(LABELS)
    with pytest.raises(SourceError, match=r"video\.mp4 is missing"):
        find_clips(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(SourceError, match="no labels"):
        find_clips(tmp_path / "a.mp4")
    assert find_clips(tmp_path / "events_truth.yaml") == []


def test_the_camera_is_as_it_was_filmed_unless_the_user_says_more(tmp_path: Path) -> None:
    labels = truth().model_copy(update={"mount": {"height_m": 1.2, "pitch_deg": 5}})
    clip = Clip("a", Path("a.mp4"), labels)
    assert clip.config(SonarConfig()).mount == MountConfig(height_m=1.2, pitch_deg=5)
    own = SonarConfig.model_validate({"mount": {"height_m": 1.6}})
    assert clip.config(own).mount.height_m == 1.6
    wrong = Clip("a", Path("a.mp4"), labels.model_copy(update={"mount": {"heigth": 1}}))
    with pytest.raises(SourceError, match="heigth"):
        wrong.config(SonarConfig())
