"""The report: what it shows is what the files say, it holds up to nasty names, it is bounded."""

import json
import re
from pathlib import Path

from sonar.config import SonarConfig
from sonar.records import CueRecord, Event
from sonar.replay.report.data import COLUMNS, read_run, words, zone_of
from sonar.replay.report.page import MAX_EVENTS, write_report
from sonar.types import Band, CueKind, Reason, Side, State
from tests.replay.report_kit import Page, record, steady, write_run, zone


def page_of(folder: Path, embed_mb: float = 0.0) -> str:
    write_report(folder, json.loads((folder / "summary.json").read_text()), embed_mb)
    return (folder / "report.html").read_text()


def test_words_of_a_moment() -> None:
    assert words(record(0, zone(Band.CLOSE, 1.0, ttc_s=1.2, height="head"))) == (
        "left close 1.0 m (head), contact in 1.2 s, ahead clear, right unknown; sound: silence"
    )


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
    text = page_of(folder)
    page = Page(text)
    assert len(page.all("script")) == 2
    assert not [attrs for _, attrs in page.found if any(a.startswith("on") for a in attrs)]
    assert "".join(page.words).count(nasty) >= 6  # readable as it is


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    folder = write_run(tmp_path, steady(5), [])
    (folder / "annotated.mp4").write_bytes(b"film")
    page = Page(page_of(folder))
    assert page.all("video")[0]["src"] == "annotated.mp4"
    targets = [a.get("src") or a.get("href") for _, a in page.found if "src" in a or "href" in a]
    assert targets and all(t == "annotated.mp4" or t.startswith("data:") for t in targets if t)
    policy = page.all("meta")[2]["content"] or ""
    assert "default-src 'none'" in policy and "http" not in policy
    page = Page(page_of(folder, 1.0))
    assert page.all("video")[0]["src"] == "data:video/mp4;base64,ZmlsbQ=="
    (folder / "annotated.mp4").unlink()
    page = Page(page_of(folder))
    assert page.all("audio")[0]["src"] == "audio.wav" and not page.all("video")


def test_headings_captions_and_alternatives(tmp_path: Path) -> None:
    events = [Event(t=0.2, frame=2, kind="speech", name="near_left", text="Near left")]
    text = page_of(write_run(tmp_path, steady(30), events))
    page = Page(text)
    assert page.all("html")[0]["lang"] == "en"
    order = [int(tag[1]) for tag, _ in page.found if re.fullmatch(r"h[1-6]", tag)]
    assert order[0] == 1 and order.count(1) == 1 and set(order[1:]) == {2}
    assert len(page.all("caption")) == len(page.all("table")) == 3
    plots = [a for a in page.all("div") if a.get("class") == "plot"]
    assert len(plots) == len(page.all("figure")) == 8
    assert all(a["role"] == "img" and a["aria-label"] for a in plots)
    alt = "; ".join(a["aria-label"] or "" for a in plots)
    assert "left nearest 2.0 m at 0.0 s" in alt and "“Near left” 1×" in alt
    assert "right not known" in alt and "Left over time: near 100 %; " in alt
    assert "Right over time: unknown 100 %; " in alt and "State over time: guiding 100 %" in alt
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
    text = page_of(write_run(tmp_path, records, []))
    rects = {
        a["class"]: (float(a["x"] or 0), float(a["width"] or 0)) for a in Page(text).all("rect")[2:]
        if a["class"] in ("stop", "pulse", "degraded")
    }  # fmt: skip
    assert rects == {"stop": (500, 250), "pulse": (500, 250), "degraded": (800, 100)}
    assert "guiding 90 %, degraded dark 10 %" in text
    assert "silence 75 %, pulse left 25 %" in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    assert data["duration"] == 10.0
    starts = {start: said for start, said in data["moments"]}
    assert set(starts) == {0.0, 5.0, 7.5, 8.0, 9.0}
    assert "left stop 0.4 m" in starts[5.0] and "sound: pulse left, 4.0 a second" in starts[5.0]
    assert "degraded dark" in starts[8.0]


def test_a_long_recording_is_thinned_and_nothing_short_is_lost(tmp_path: Path) -> None:
    records = steady(20_000)
    records[7777] = record(7777, zone(Band.STOP, 0.3, ttc_s=0.5))
    events = [
        Event(t=i / 10, frame=i, kind="cue", name="pulse", why="near, left") for i in range(8000)
    ]
    folder = write_run(tmp_path, records, events)
    run = read_run(folder, 2000.0)
    assert len(run.moments) <= COLUMNS
    worst = [m for m in run.moments if zone_of(m, Side.LEFT).band is Band.STOP]
    assert len(worst) == 1 and abs(worst[0].t - 777.7) < 2000 / COLUMNS
    assert zone_of(worst[0], Side.LEFT) == zone(Band.STOP, 0.3, ttc_s=0.5)
    text = page_of(folder)
    assert len(text) < 4e6
    assert f"the first {MAX_EVENTS} of 8000" in text and text.count("<tr data-t") == MAX_EVENTS


def test_a_run_that_ended_early_has_a_report(tmp_path: Path) -> None:
    text = page_of(write_run(tmp_path, [], [], interrupted=True))
    assert "No frame was processed" in text and "interrupted" in text and Page(text)
