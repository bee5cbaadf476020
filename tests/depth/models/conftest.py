"""A faulty file server, a store that fetches from it, and no proxy in the way."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from model_files import onnx_bytes
from model_server import Server, sha

from sonar.config import ModelConfig
from sonar.depth.models import Store


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """pooch's pauses between attempts, in seconds; nobody waits for them."""
    waited: list[float] = []
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def server(shared_server: Server) -> Server:
    shared_server.reset(b"")
    return shared_server


class Shop:
    """Stores of one cache folder whose model ``mine`` is served by the faulty server."""

    def __init__(self, server: Server, home: Path) -> None:
        self.server, self.home, self.good = server, home, onnx_bytes()
        self.reported: list[str] = []
        server.payload = self.good

    def store(self, **described: object) -> Store:
        fields = {"url": self.server.url, "sha256": sha(self.good), **described}
        return Store(
            {"mine": ModelConfig.model_validate(fields)},
            home=self.home,
            lock_wait_s=1.0,
            report=self.reported.append,
        )

    def files(self) -> list[str]:
        return sorted(p.name for p in (self.home / "models").rglob("*") if p.is_file())


@pytest.fixture
def shop(server: Server, tmp_path: Path) -> Shop:
    return Shop(server, tmp_path / "home")
