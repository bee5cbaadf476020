"""The ring of the last minutes: bounded, readable after a crash, kept on a danger or a button."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonar.capture import VideoFileSource
from sonar.clock import ManualClock
from sonar.config import RecordingConfig
from sonar.errors import OutputError
from sonar.records import Event, FrameRecord, Step, Update
from sonar.service.guide import recorder
from sonar.service.guide.recorder import RecordedPart, Recorder, parts
from sonar.types import Cue, CueKind, Frame, Priority, Scene, State

RATE_HZ = 5.0
SILENT = Cue(CueKind.SILENCE)
DANGER = Cue(CueKind.CONTINUOUS, pitch_hz=800, priority=Priority.DANGER)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring of 20 s, and small frames."""
    constants = {"RING_S": 20.0, "AFTER_S": 2.0, "RATE_HZ": RATE_HZ, "WIDTH_PX": 64, "PART_S": 5.0}
    for name, value in constants.items():
        monkeypatch.setattr(recorder, name, value)


class Walk:
    """A recorder fed by a made-up walk; each frame's gray level is its number."""

    def __init__(self, folder: Path, clock: ManualClock, max_mb: int = 500) -> None:
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.clock = clock
        self.recorder = Recorder(
            RecordingConfig(enabled=True, max_mb=max_mb),
            folder,
            clock,
            lambda e, **f: self.logged.append((e, f)),
        )
        self.folder = folder
        self.t = 0.0
        self.count = 0

    def walk(self, seconds: float, cue: Cue = SILENT) -> None:
        end = self.t + seconds
        while self.t < end - 1e-9:
            image = np.full((48, 64, 3), self.count % 200 + 20, np.uint8)
            scene = Scene.unknown(self.count, self.t, None, State.GUIDING)
            frame = Frame(image, self.count, self.t)
            self.recorder.consume(
                Step(scene=scene, cue=cue, frame=frame, depth=None, timings_ms={"total": 1.0})
            )
            self.t += 1 / RATE_HZ
            self.clock.advance(1 / RATE_HZ)
            self.count += 1
            self.drained()

    def drained(self) -> None:
        written = threading.Event()
        self.recorder._queue.put(written.set)
        assert written.wait(10)

    def count_of(self, event: str) -> int:
        return sum(name == event for name, _ in self.logged)

    def kept(self) -> list[Path]:
        return sorted((self.folder / "kept").iterdir())


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Walk]:
    def start(max_mb: int = 500, **constants: float) -> Walk:
        for name, value in constants.items():
            monkeypatch.setattr(recorder, name.upper(), value)
        return Walk(tmp_path / "rec", ManualClock(1_000.0), max_mb)

    return start


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """The records of all parts in ``folder``."""
    found = []
    for part in parts(folder):
        text = (part / name).read_text() if (part / name).exists() else ""
        found += [json.loads(line) for line in text.splitlines()]
    return found


def images(folder: Path) -> list[float]:
    """The gray levels of the frames of all parts in ``folder``."""
    found = []
    for part in parts(folder):
        source = VideoFileSource(part / "walk.mkv")
        source.open()
        while (frame := source.read(1.0)) is not None:
            found.append(float(frame.image.mean()))
        source.close()
    return found


def test_nothing_is_kept_without_an_event_and_the_ring_is_bounded(
    walk: Callable[..., Walk], tmp_path: Path
) -> None:
    one = walk()
    one.walk(100)
    scene = Scene.unknown(99, one.t, None, State.GUIDING)  # another size begins another part
    frame = Frame(np.zeros((64, 48, 3), np.uint8), 99, one.t)
    one.recorder.consume(Step(scene=scene, cue=SILENT, frame=frame, depth=None, timings_ms={}))
    one.recorder.close()
    assert one.kept() == []
    found = parts(one.folder / "ring")
    assert 4 <= len(found) <= 6
    assert found[-1].name == "part-00000021"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Recorder(RecordingConfig(), tmp_path / "file", ManualClock(), lambda *_, **__: None)


def test_a_danger_keeps_what_was_before_and_after(walk: Callable[..., Walk]) -> None:
    one = walk()
    one.walk(30)
    danger_at = one.count
    one.walk(0.4, DANGER)
    one.walk(6)
    one.walk(1, DANGER)  # so soon after it keeps nothing more
    one.walk(4)
    one.recorder.close()
    (kept,) = one.kept()
    assert kept.name.endswith("-danger")
    grays = images(kept)
    assert any(abs(value - (danger_at % 200 + 20)) < 3 for value in grays)
    assert len(grays) > 20 * RATE_HZ  # what came before
    frames = lines(kept, "frames.jsonl")
    numbers = [frame["frame"] for frame in frames]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))  # no gap at the joints
    assert len(frames) == len(grays) and numbers[-1] >= danger_at + 2 * RATE_HZ - 1
    steps = np.diff([frame["t"] for frame in frames])
    np.testing.assert_allclose(steps[steps > 0], 1 / RATE_HZ, atol=0.02)  # by its part's time
    for frame in frames:
        FrameRecord.model_validate({k: v for k, v in frame.items()})


def test_a_button_keeps_with_events(walk: Callable[..., Walk]) -> None:
    one = walk(after_s=60)  # asked for at the very end
    one.walk(7)
    event = Event(t=7, frame=35, kind="speech", name="stop", text="Stop")
    scene = Scene.unknown(35, 7.0, None, State.GUIDING)
    one.recorder.consume(Update(scene=scene, cue=SILENT, events=(event,)))
    one.recorder.keep("button")
    one.recorder.close()
    (kept,) = one.kept()
    (event,) = lines(kept, "events.jsonl")
    assert event["text"] == "Stop" and event["t"] == pytest.approx(1.8, abs=0.3)
    Event.model_validate(event)


def test_a_request_is_refused_while_nothing_is_recorded(
    walk: Callable[..., Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = walk()
    assert not one.recorder.keep("button")  # nothing yet
    one.walk(2)
    one.recorder.pause(True)
    assert not one.recorder.keep("button")
    one.recorder.pause(False)
    with monkeypatch.context() as patch:
        patch.setattr(RecordedPart, "record", lambda *_: (_ for _ in ()).throw(MemoryError))
        one.walk(0.4)
    one.drained()
    assert not one.recorder.keep("button")  # writing failed
    one.recorder.close()
    assert one.kept() == [] and "recording_kept" not in dict(one.logged)


def test_guides_that_end_soon_do_not_shorten_what_is_kept(
    walk: Callable[..., Walk], tmp_path: Path
) -> None:
    for seconds in (15, 0.6, 0.6, 0.6, 0.6, 0.6):
        one = walk()
        one.walk(seconds)
        one.recorder.close()
    one = walk()
    one.walk(0.6)
    assert one.recorder.keep("button")
    one.recorder.close()
    (kept,) = one.kept()
    assert len(lines(kept, "frames.jsonl")) == round((15 + 6 * 0.6) * RATE_HZ)


def test_recordings_of_the_version_before_are_deleted(
    walk: Callable[..., Walk], tmp_path: Path
) -> None:
    ring = tmp_path / "rec/ring"
    ring.mkdir(parents=True)
    for name in ("seg-00000007.mkv", "seg-00000007.frames.jsonl", "seg-notes.mkv"):
        (ring / name).write_text("")
    walk()
    assert [path.name for path in ring.iterdir()] == ["seg-notes.mkv"]
    old = tmp_path / "rec/kept/20250101T000000.000000Z-danger"
    old.mkdir()
    for name in ("walk.mkv", "frames.jsonl", "info.json"):
        (old / name).write_text("")
    recorder.remove(old)
    assert not old.exists()


def test_a_crash_loses_at_most_a_second_and_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copy the folder while it is being written: that is what a kill leaves."""
    import shutil

    one = Walk(tmp_path / "rec", ManualClock(0.0))
    one.walk(13.4)
    shutil.copytree(tmp_path / "rec", tmp_path / "crashed")
    one.recorder.close()
    monkeypatch.setattr(recorder, "AFTER_S", 0.0)
    after = Walk(tmp_path / "crashed", ManualClock(0.0))
    got = len(images(tmp_path / "crashed/ring"))
    written = len(lines(tmp_path / "crashed/ring", "frames.jsonl"))
    # The recorder's thread may have the newest record still in hand.
    assert one.count - 1.0 * RATE_HZ <= written <= one.count
    assert got >= one.count - 1.0 * RATE_HZ
    after.walk(6)  # goes on where it was
    after.recorder.keep("button")
    after.walk(1)
    after.recorder.close()
    assert len(after.kept()) == 1
    assert len(images(after.kept()[0])) >= got + 5 * RATE_HZ


def test_space_is_bounded_the_oldest_goes_first(
    walk: Callable[..., Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = walk(max_mb=10, after_s=0, keep_again_s=0)
    monkeypatch.setattr(recorder, "size_bytes", lambda _: 3_000_000)
    for _ in range(5):
        one.walk(6)
        one.recorder.keep("button")
        one.walk(0.4)
    one.recorder.close()
    dropped = [fields["folder"] for event, fields in one.logged if event == "recording_dropped"]
    assert dropped and dropped == sorted(dropped)
    assert len(one.kept()) < 5


def test_a_full_disk_costs_frames_not_guidance(
    walk: Callable[..., Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = walk()
    one.walk(6)

    def full(*_: Any) -> None:
        raise OutputError("No space left on device")

    monkeypatch.setattr(RecordedPart, "record", full)
    one.walk(3)
    assert [event for event, _ in one.logged] == ["recording_failed"]
    written = len(lines(one.folder / "ring", "frames.jsonl"))
    monkeypatch.undo()
    one.walk(40)  # tried again after a while
    one.recorder.close()
    assert [event for event, _ in one.logged] == ["recording_failed"]
    assert len(lines(one.folder / "ring", "frames.jsonl")) > written


def test_a_disk_that_blocks_never_blocks_the_loop(
    walk: Callable[..., Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = walk()
    gate = threading.Event()
    monkeypatch.setattr(RecordedPart, "record", lambda *_: gate.wait(10))
    one.drained = lambda: None
    start = time.monotonic()
    one.walk(60)
    assert time.monotonic() - start < 2.0
    assert one.recorder._queue.qsize() <= 12
    gate.set()


def test_what_else_lies_in_the_folder_stays_and_stops_nothing(
    walk: Callable[..., Walk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        recorder, "size_bytes", lambda path: 6_000_000 * path.name.startswith("19")
    )  # kept recordings; one fits
    others = []
    for folder in ("kept", "ring"):
        (tmp_path / "rec" / folder / "notes").mkdir(parents=True)
        for name in ("notes/precious.txt", "holiday.mkv", "part-12345678"):
            others.append(tmp_path / "rec" / folder / name)
            others[-1].write_text("mine")
    one = walk(max_mb=10, after_s=0)
    for number in range(4):
        one.walk(6)
        one.recorder.keep("button")
        one.walk(0.4)
        deadline = time.monotonic() + 10
        while one.count_of("recording_kept") <= number:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        if number == 1:
            inside = parts(tmp_path / "rec/kept")[-1] / "more" / "precious.txt"
            inside.parent.mkdir()
            inside.write_text("mine")
            others.append(inside)
    one.recorder.close()
    assert [other.read_text() for other in others] == ["mine"] * len(others)
    assert not one.recorder._thread.gave_up and one.count_of("recording_kept") == 4
    assert one.count_of("recording_failed") == 0 and one.count_of("recording_dropped") >= 3


def test_a_mistake_of_ours_is_logged_and_after_several_it_refuses_to_keep(
    walk: Callable[..., Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = walk()

    def broken(*_: object) -> None:
        raise IndexError("a mistake of ours")

    monkeypatch.setattr(Recorder, "_write", broken)
    one.drained = lambda: None
    one.walk(2)
    one.recorder._thread.join(10)
    assert not one.recorder.keep("button")
    assert [event for event, _ in one.logged] == ["recording_failed"] * 3 + ["recording_off"]
