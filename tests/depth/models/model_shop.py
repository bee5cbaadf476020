"""A store whose model is served by the faulty server."""

from pathlib import Path

from model_files import onnx_bytes
from model_server import Server, sha

from sonar.clock import ManualClock
from sonar.config import ModelConfig
from sonar.depth.models.download import FetchLimits
from sonar.depth.models.store import Store

GOOD = onnx_bytes()
OTHER = onnx_bytes(salt="another")


class Shop:
    """A store whose model ``mine`` is served by the faulty server."""

    def __init__(self, server: Server, home: Path) -> None:
        self.server, self.home = server, home
        self.reported: list[str] = []
        server.payload = GOOD

    def store(self, sha256: str | None = sha(GOOD), **described: object) -> Store:
        fields = {"url": self.server.url, "sha256": sha256, **described}
        return Store(
            {"mine": ModelConfig.model_validate(fields)},
            home=self.home,
            clock=ManualClock(1e9),
            limits=FetchLimits(silence_s=5.0, connections=3),
            lock_wait_s=1.0,
            report=self.reported.append,
        )

    def files(self) -> list[str]:
        return sorted(p.name for p in (self.home / "models").rglob("*") if p.is_file())
