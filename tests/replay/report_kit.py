"""Runs as a replay leaves them, made by hand, and the page read back."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from sonar.config import SonarConfig
from sonar.records import Event, FrameRecord, ZoneRecord, ZonesRecord
from sonar.types import Band, State

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
        "spoken": {}, "config": SonarConfig().model_dump(mode="json"),
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary | facts))
    return folder


def steady(count: int) -> list[FrameRecord]:
    return [record(i, zone(Band.NEAR, 2.0, distance_sigma_m=0.5)) for i in range(count)]
