"""The report: what it shows is what the files say, it holds up to nasty names, it is bounded."""

import json
import re
import wave
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sonar.config import SonarConfig
from sonar.errors import SourceError
from sonar.records import CueRecord, Event, FrameRecord, ZoneRecord, ZonesRecord
from sonar.replay.report import MAX_EVENTS, write_report
from sonar.replay.report_data import COLUMNS, read_run, words
from sonar.replay.report_sound import TOP_HZ, analyse
from sonar.replay.report_strip import CELLS, DepthStrip
from sonar.replay.session import replay
from sonar.types import Band, CueKind, DepthKind, DepthMap, Frame, Reason, Scene, State
from tests.cli.conftest import write_video

RATE_HZ = 10
VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """Checks that elements nest, and collects what a test asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


def zone(band: Band = Band.CLEAR, distance_m: float | None = None, **more: Any) -> ZoneRecord:
    return ZoneRecord(proximity=0.5, band=band, distance_m=distance_m, **more)


def record(index: int, left: ZoneRecord, **more: Any) -> FrameRecord:
    facts: dict[str, Any] = {
        "drop_off": None,
        "state": State.GUIDING,
        "reason": None,
        "cue": None,
        "latency_ms": {"depth": 8.0, "total": 12.0},
    }
    zones = ZonesRecord(left=left, center=zone(), right=zone(Band.UNKNOWN))
    return FrameRecord(frame=index, t=5 + index / RATE_HZ, zones=zones, **(facts | more))


def write_run(folder: Path, records: list[FrameRecord], events: list[Event], **facts: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "frames.jsonl").write_text("".join(f"{r.model_dump_json()}\n" for r in records))
    (folder / "events.jsonl").write_text("".join(f"{e.model_dump_json()}\n" for e in events))
    summary = {
        "sonar": "0", "source": "walk.mp4", "complete": True, "error": None, "interrupted": False,
        "duration_s": len(records) / RATE_HZ if records else None,
        "expected_frames": len(records), "dropped": 0, "degraded": 0, "frames": len(records),
        "model": "a model", "speech": {"lost": None},
        "latency_ms": {"total": {"median_ms": 12.0, "p95_ms": 13.0}},
        "zones": {"left": {"near": len(records)}, "center": {}, "right": {}},
        "config": SonarConfig().model_dump(mode="json"),
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary | facts))
    tone = np.sin(np.arange(48_000) * 2 * np.pi * 2000 / 48_000) * 8000
    write_wav(folder / "audio.wav", np.stack([tone, 0 * tone], axis=1))
    return folder


def write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(samples.astype("<i2").tobytes())


def steady(count: int) -> list[FrameRecord]:
    return [record(i, zone(Band.NEAR, 2.0, distance_sigma_m=0.5)) for i in range(count)]


def test_nasty_names_words_and_settings_stay_text(tmp_path: Path) -> None:
    nasty = """</title></script><script>alert('x')</script>"&<img src=x onerror=alert(1)>"""
    config = SonarConfig().model_dump(mode="json")
    config["audio"]["device"] = nasty
    events = [
        Event(t=0.1, frame=0, kind="speech", name="x", text=nasty, why=nasty),
        Event(t=0.2, frame=1, kind="cue", name=nasty, why=nasty),
    ]
    folder = write_run(
        tmp_path, steady(5), events, source=nasty, model=nasty, error=nasty, config=config
    )
    text = write_report(folder).read_text()
    page = Page(text)
    assert len(page.all("script")) == 2
    assert all((i["src"] or "").startswith("data:") for i in page.all("img"))
    assert not [attrs for _, attrs in page.found if any(a.startswith("on") for a in attrs)]
    assert "".join(page.words).count(nasty) >= 6  # readable as it is


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    folder = write_run(tmp_path, steady(5), [])
    (folder / "annotated.mp4").write_bytes(b"film")
    page = Page(write_report(folder).read_text())
    assert page.all("video")[0]["src"] == "annotated.mp4"
    targets = [a.get("src") or a.get("href") for _, a in page.found if "src" in a or "href" in a]
    assert targets and all(t == "annotated.mp4" or t.startswith("data:") for t in targets if t)
    policy = page.all("meta")[2]["content"] or ""
    assert "default-src 'none'" in policy and "http" not in policy
    page = Page(write_report(folder, embed_mb=1).read_text())
    assert page.all("video")[0]["src"] == "data:video/mp4;base64,ZmlsbQ=="
    (folder / "annotated.mp4").unlink()
    page = Page(write_report(folder).read_text())
    assert page.all("audio")[0]["src"] == "audio.wav" and not page.all("video")


def test_headings_captions_and_alternatives(tmp_path: Path) -> None:
    events = [Event(t=0.2, frame=2, kind="speech", name="near_left", text="Near left")]
    text = write_report(write_run(tmp_path, steady(30), events)).read_text()
    page = Page(text)
    assert page.all("html")[0]["lang"] == "en"
    order = [int(tag[1]) for tag, _ in page.found if re.fullmatch(r"h[1-6]", tag)]
    assert order[0] == 1 and order.count(1) == 1 and set(order[1:]) == {2}
    assert len(page.all("caption")) == len(page.all("table")) == 4
    plots = [a for a in page.all("div") if a.get("class") == "plot"]
    assert len(plots) == len(page.all("figure")) == 11
    assert all(a["role"] == "img" and a["aria-label"] for a in plots)
    alt = " ".join(a["aria-label"] or "" for a in plots)
    assert "left nearest 2.0 m at 0.0 s" in alt and "“Near left” 1×" in alt
    assert "right not known" in alt and "near 100 %" in alt and "unknown 100 %" in alt
    assert all("alt" in a for a in page.all("img"))
    assert [a["for"] for a in page.all("label")] == ["position"]


def test_timeline_places_things_where_they_happened(tmp_path: Path) -> None:
    records = steady(100)
    cue = CueRecord(
        kind=CueKind.PULSE, pan=-1, rate_hz=4, pitch_hz=500, level_db=0, priority=1
    )  # fmt: skip
    for i in range(50, 75):
        records[i] = record(i, zone(Band.STOP, 0.4), cue=cue)
    for i in range(80, 90):
        records[i] = record(
            i, zone(Band.UNKNOWN), state=State.DEGRADED, reason=Reason.DARK
        )  # fmt: skip
    text = write_report(write_run(tmp_path, records, [])).read_text()
    rects = {
        a["class"]: (float(a["x"] or 0), float(a["width"] or 0)) for a in Page(text).all("rect")[2:]
        if a["class"] in ("stop", "pulse", "degraded")
    }  # fmt: skip
    assert rects == {"stop": (500, 250), "pulse": (500, 250), "degraded": (800, 100)}
    assert "degraded dark for 1.0 s" in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    assert data["duration"] == 10.0
    starts = {start: said for start, said in data["moments"]}
    assert set(starts) == {0.0, 5.0, 7.5, 8.0, 9.0}
    assert "left stop 0.4 m" in starts[5.0] and "4.0 pulses a second, left" in starts[5.0]
    assert "degraded dark" in starts[8.0]


def test_a_long_recording_is_thinned_and_nothing_short_is_lost(tmp_path: Path) -> None:
    records = steady(20_000)
    records[7777] = record(7777, zone(Band.STOP, 0.3, ttc_s=0.5), latency_ms={"total": 99.0})
    events = [
        Event(t=i / 10, frame=i, kind="cue", name="pulse", why="near, left") for i in range(8000)
    ]
    folder = write_run(tmp_path, records, events)
    run = read_run(folder)
    assert len(run.moments) <= COLUMNS
    worst = [m for m in run.moments if m.sides["left"].band == "stop"]
    assert len(worst) == 1 and worst[0].sides["left"].distance_m == 0.3
    assert worst[0].latency_ms["total"] == 99.0 and worst[0].sides["left"].ttc_s == 0.5
    assert abs(worst[0].start_s - 777.7) < 2000 / COLUMNS
    path = write_report(folder)
    assert path.stat().st_size < 4e6
    text = path.read_text()
    assert f"the first {MAX_EVENTS} of 8000" in text and text.count("<tr data-t") == MAX_EVENTS


def test_runs_that_ended_early_have_a_report(tmp_path: Path) -> None:
    text = write_report(write_run(tmp_path / "a", [], [], interrupted=True)).read_text()
    assert "No picture was processed" in text and "interrupted" in text and Page(text)
    folder = write_run(tmp_path / "b", steady(3), [])
    with (folder / "frames.jsonl").open("a") as file:
        file.write('{"schema": "sonar.fr')  # killed in the middle of a line
    assert len(read_run(folder).moments) == 3
    (folder / "summary.json").write_text("[]")
    with pytest.raises(SourceError, match="does not hold a replay"):
        write_report(folder)
    with pytest.raises(SourceError, match=r"audio\.wav"):
        write_report(tmp_path)


def test_words_of_a_moment() -> None:
    from sonar.replay.report_data import Moment

    moment = Moment(0.0)
    moment.add(record(0, zone(Band.CLOSE, 1.0, ttc_s=1.2, height="head")).model_dump(mode="json"))
    assert words(moment) == (
        "left close 1.0 m (head), contact in 1.2 s, ahead clear, right unknown; silence"
    )


@pytest.mark.parametrize("seconds", [0.02, 1.0, 130.0])
def test_the_spectrogram_shows_pitch_side_and_time(tmp_path: Path, seconds: float) -> None:
    length = int(48_000 * seconds)
    samples = np.zeros((length, 2))
    half = slice(0, length // 2)
    samples[half, 0] = 10_000 * np.sin(np.arange(length // 2) * 2 * np.pi * 3000 / 48_000)
    write_wav(tmp_path / "a.wav", samples)
    sound = analyse(tmp_path / "a.wav")
    assert sound.duration_s == pytest.approx(seconds)
    picture = cv2.imdecode(np.frombuffer(sound.png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None and picture.shape[1] <= 1000
    left, right = picture[:64].astype(float), picture[66:].astype(float)
    if seconds < 1:
        return
    half_way = picture.shape[1] // 2
    row = int(left[:, : half_way - 4].mean(axis=1).argmax())
    assert row == pytest.approx(64 * (1 - 3000 / TOP_HZ), abs=2)
    assert left[row, : half_way - 4].min() > 150 > 40 > left[row, half_way + 4 :].max()
    assert right.max() < 40
    assert sound.sounding == pytest.approx(0.5, abs=0.06)
    assert sound.louder[0] == pytest.approx(1.0) and sound.louder[1] == 0.0


def test_silence_and_a_file_that_is_no_sound(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros((48_000, 2)))
    assert analyse(tmp_path / "a.wav").sounding == 0.0
    (tmp_path / "b.wav").write_bytes(b"RIFF....")
    with pytest.raises(SourceError, match=r"b\.wav"):
        analyse(tmp_path / "b.wav")


@pytest.mark.parametrize("count", [1, 7, 79, 80, 1000])
def test_the_depth_strip_follows_time(count: int) -> None:
    strip = DepthStrip()
    image = np.zeros((8, 8, 3), np.uint8)
    for index in range(count):
        near = (index + 1) / count  # nearer and nearer
        depth = DepthMap(np.full((48, 64), near, np.float32), DepthKind.RELATIVE_INVERSE)
        scene = Scene.unknown(index, index / 10, None)
        strip.on_frame(record(index, zone()), Frame(image, index, 3 + index / 10), depth, scene)
    jpeg = strip.jpeg(count / 10)
    assert jpeg is not None and len(jpeg) < 60_000
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None and picture.shape == (60, 80 * CELLS)
    levels = [float(picture[20:40, 80 * i + 20 : 80 * i + 60].mean()) for i in range(CELLS)]
    assert all(b >= a - 6 for a, b in pairwise(levels))
    if count > CELLS:
        assert levels[-1] > levels[0] + 100


def test_a_strip_without_depth() -> None:
    strip = DepthStrip()
    scene = Scene.unknown(0, 0.0, Reason.DEPTH_FAILED)
    strip.on_frame(record(0, zone()), Frame(np.zeros((8, 8, 3), np.uint8), 0, 0.0), None, scene)
    assert strip.jpeg(1.0) is None


def test_labels_beside_a_recording_are_shown_with_what_was_heard(tmp_path: Path) -> None:
    close = Event(t=1.0, frame=10, kind="cue", name="pulse", side="left", why="close, left, 1.0 m")
    after = Event(t=2.0, frame=20, kind="cue", name="silence", why="clear")
    labels = [
        {"from_s": 0.5, "to_s": 2.0, "kind": "obstacle", "side": "left", "contact_s": 1.9},
        {"from_s": 2.5, "to_s": 3.0, "kind": "drop", "side": "center"},
    ]
    truth = {"schema": "sonar.truth/1", "events": labels}
    folder = write_run(tmp_path / "run", steady(30), [close, after], labels=truth)
    text = write_report(folder).read_text()
    page = Page(text)
    said = " ".join(page.words)
    assert "What was there, and what was heard of it" in said
    assert "warned of at 1.0 s" in said and "0.9 s before contact" in said
    assert "not warned of" in said and "Warnings of what is not labelled: none." in said
    plot = next(a["aria-label"] for a in page.all("div") if "Labels" in (a.get("aria-label") or ""))
    assert plot is not None and "0.5 to 2.0 s: obstacle, left; 2.5 to 3.0 s: drop" in plot
    plain = write_report(write_run(tmp_path / "plain", steady(30), [close, after])).read_text()
    assert "what was heard of it" not in plain


def test_labels_are_taken_along_by_a_replay_with_a_report(tmp_path: Path) -> None:
    video = write_video(tmp_path / "walk.mp4", frames=3)
    labels = tmp_path / "walk.truth.yaml"
    labels.write_text("schema: sonar.truth/1\nevents:\n  - {from_s: 0, to_s: 0.2, kind: cat}\n")
    config = SonarConfig.model_validate({"engine": {"precision": "int8"}})
    with pytest.raises(SourceError, match=r"walk\.truth\.yaml"):
        replay(str(video), tmp_path / "out", config, report=True)
    labels.write_text(labels.read_text().replace("cat", "head, side: left"))
    result = replay(str(video), tmp_path / "out", config, report=True, video=False)
    assert result.outcome.error is None and len(result.summary["labels"]["events"]) == 1
    assert "what was heard of it" in (tmp_path / "out" / "report.html").read_text()
