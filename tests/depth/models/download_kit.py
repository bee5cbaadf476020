"""A download as the tests make it, and what it leaves behind."""

import random
from pathlib import Path

from model_server import Server, sha

from sonar.clock import ManualClock
from sonar.depth.models.download import Download, FetchLimits

PAYLOAD = random.Random(3).randbytes(300_000)


def make(server: Server, folder: Path, **changes: object) -> Download:
    fields: dict = {
        "url": server.url,
        "part": folder / "model.part",
        "size_bytes": len(server.payload),
        "sha256": sha(server.payload),
        "limits": FetchLimits(silence_s=5.0, backoff_s=0.5),
        "clock": ManualClock(),
    }
    return Download(**{**fields, **changes})


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
