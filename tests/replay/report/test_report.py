"""The report: what it shows is what the files say, it holds up to nasty names, it is bounded."""

import json
import re
from pathlib import Path

import pytest
from report_kit import Page, record, steady, write_run, zone

from sonar.config import SonarConfig
from sonar.errors import SourceError
from sonar.records import CueRecord, Event
from sonar.replay.report.data import COLUMNS, read_run
from sonar.replay.report.page import MAX_EVENTS, write_report
from sonar.replay.session import replay
from sonar.types import Band, CueKind, Reason, State
from tests.cli.conftest import write_video


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


def test_timeline_places_marks_where_they_happened(tmp_path: Path) -> None:
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
    assert "No frame was processed" in text and "interrupted" in text and Page(text)
    folder = write_run(tmp_path / "b", steady(3), [])
    with (folder / "frames.jsonl").open("a") as file:
        file.write('{"schema": "sonar.fr')  # killed in the middle of a line
    assert len(read_run(folder).moments) == 3
    (folder / "summary.json").write_text("[]")
    with pytest.raises(SourceError, match="does not hold a replay"):
        write_report(folder)
    with pytest.raises(SourceError, match=r"audio\.wav"):
        write_report(tmp_path)


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
    assert "warning at 1.0 s" in said and "0.9 s before contact" in said
    assert "no warning" in said and "Warnings of what is not labeled: none." in said
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
