"""``/healthz`` and ``/metrics``: how the service is, for people and for Prometheus."""

import hmac
import ipaddress
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sonar import __version__
from sonar.threads import GuardedThread

TOKEN_LENGTH = 16
STATES = ("starting", "loading", "ready", "guiding", "degraded", "failed", "gave_up", "stopped")
_REQUEST_S = 2.0

# figure -> (metric in base units, factor to those, help). Names that end in _total are counters.
# Figures that are None or absent are left out.
METRICS: dict[str, tuple[str, float, str]] = {
    "frames": ("sonar_frames_total", 1, "Frames processed since the guide started"),
    "waits": ("sonar_waits_total", 1, "Waits in vain for a frame, announced as unknown"),
    "samples": ("sonar_audio_samples_total", 1, "Samples the sound device has taken"),
    "restarts": ("sonar_restarts_total", 1, "Guides started after a failure"),
    "dropped": ("sonar_frames_dropped_total", 1, "Frames replaced by a newer one"),
    "xruns": ("sonar_audio_xruns_total", 1, "Gaps in the sound"),
    "engine_restarts": ("sonar_engine_restarts_total", 1, "Depth networks reopened"),
    "fps": ("sonar_frames_per_second", 1, "Frames processed per second, last seconds"),
    "rate_hz": ("sonar_rate_limit_hertz", 1, "Frames per second that the governor allows"),
    "age_ms": ("sonar_frame_to_sound_seconds", 1e-3, "Median age of a frame when heard"),
    "age_p95_ms": ("sonar_frame_to_sound_p95_seconds", 1e-3, "95th percentile of the age"),
    "age_p99_ms": ("sonar_frame_to_sound_p99_seconds", 1e-3, "99th percentile of the age"),
    "depth_ms": ("sonar_depth_seconds", 1e-3, "Median time of the depth network"),
    "temperature_c": ("sonar_temperature_celsius", 1, "Hottest sensor"),
    "battery_percent": ("sonar_battery_ratio", 1e-2, "Charge of the battery"),
    "memory_mb": ("sonar_memory_bytes", 1e6, "Resident memory of the guide"),
    "memory_available_mb": ("sonar_memory_available_bytes", 1e6, "Memory that can be taken"),
    "cpu_percent": ("sonar_cpu_ratio", 1e-2, "Processor share of the guide, one core is 1"),
}


@dataclass(frozen=True, eq=False)
class Snapshot:
    """How the service is at one moment.

    Attributes:
        state, reason: as in the records, plus starting, failed and gave_up of the supervisor.
        figures: by the names in METRICS; others are shown by ``/healthz`` only.
    """

    state: str
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        return self.state == "guiding"

    def json(self) -> dict[str, Any]:
        """As ``/healthz`` gives it."""
        return {"ok": self.healthy, "state": self.state, "reason": self.reason, **self.figures}

    def metrics(self) -> bytes:
        """As ``/metrics`` gives it: Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Any]:
        """The metric families, for prometheus_client."""
        from prometheus_client import core

        build = {"version": __version__}
        yield core.InfoMetricFamily("sonar_build", "Version of sonar", build)
        state = core.GaugeMetricFamily("sonar_state", "1 for the present state", labels=["state"])
        for name in STATES:
            state.add_metric([name], float(name == self.state))
        yield state
        if self.reason:
            reason = core.GaugeMetricFamily("sonar_reason", "Why not guiding", labels=["reason"])
            reason.add_metric([self.reason], 1.0)
            yield reason
        for key, (name, factor, text) in METRICS.items():
            value = self.figures.get(key)
            if isinstance(value, int | float):
                is_counter = name.endswith("_total")
                family = core.CounterMetricFamily if is_counter else core.GaugeMetricFamily
                yield family(name, text, value=factor * value)


class HealthError(ValueError):
    """The endpoint cannot be offered as configured."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(host: str, path: str | None) -> str | None:
    """The token that clients must send, None where none is asked.

    Raises HealthError where one is needed and is not there or too short to be one.
    """
    if path is None:
        if not is_loopback(host):
            raise HealthError(
                f"service.health_host {host} is open to others: set service.health_token_file."
            )
        return None
    try:
        token = Path(path).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        raise HealthError(f"service.health_token_file {path} cannot be read.") from error
    if len(token) < TOKEN_LENGTH:
        raise HealthError(f"The token in {path} is shorter than {TOKEN_LENGTH} characters.")
    return token


class HealthServer:
    """Serves snapshots from threads of its own; a slow client holds up nobody."""

    def __init__(
        self, host: str, port: int, token: str | None, look: Callable[[], Snapshot]
    ) -> None:
        """Raises OSError when the address is taken."""
        handler = type("Handler", (_Handler,), {"look": staticmethod(look), "token": token})
        server_class: type[ThreadingHTTPServer] = _Server6 if ":" in host else _Server
        self._server = server_class((host, port), handler)
        self.port: int = self._server.server_address[1]
        self._thread = GuardedThread("health", self._server.serve_forever)
        self._thread.start()

    @classmethod
    def start(
        cls,
        host: str,
        port: int,
        token_file: str | None,
        look: Callable[[], Snapshot],
        log: Callable[..., None],
    ) -> "HealthServer | None":
        """Serve, or log why not: guiding goes on without it. A port of 0 means off."""
        if port == 0:
            return None
        try:
            server = cls(host, port, read_token(host, token_file), look)
        except (OSError, OverflowError, HealthError) as error:
            log("health_off", level="error", problem=str(error))
            return None
        log("health", address=f"{host}:{server.port}")
        return server

    def close(self) -> None:
        """Stop listening; takes at most about half a second."""
        try:
            self._server.shutdown()
        finally:
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    look: Callable[[], Snapshot]
    token: str | None
    timeout = _REQUEST_S
    server_version = "sonar"
    sys_version = ""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path not in ("/healthz", "/metrics"):
            self._answer(404, "text/plain", b"There is /healthz and /metrics.\n")
        elif not self._may():
            self._answer(401, "text/plain", b"Send the token: Authorization: Bearer TOKEN\n")
        elif path == "/metrics":
            metrics = self.look().metrics()
            self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics)
        else:
            snapshot = self.look()
            body = json.dumps(snapshot.json(), default=str) + "\n"
            self._answer(200 if snapshot.healthy else 503, "application/json", body.encode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: they hold addresses of people."""

    def _may(self) -> bool:
        if self.token is None:
            # A web page that the user visits must not read it (DNS rebinding).
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
            return is_loopback(host)
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        return kind == "Bearer" and hmac.compare_digest(
            given.strip().encode("utf-8", "replace"), self.token.encode()
        )

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
