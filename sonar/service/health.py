"""``/healthz`` and ``/metrics``: how the service is, for people and for Prometheus."""

import contextlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sonar import __version__
from sonar.errors import ConfigError
from sonar.threads import GuardedThread

if TYPE_CHECKING:
    from sonar.config import ServiceConfig

TOKEN_LENGTH = 16
STATES = ("starting", "loading", "ready", "guiding", "degraded", "failed", "gave_up", "stopped")
ANSWER_S = 2.0
_REQUEST_S = 2.0
_LONGEST = 65_536  # bytes of an answer

# figure -> (metric in base units, factor to those, help). Names that end in _total are counters.
# Figures that are None or absent are left out.
METRICS: dict[str, tuple[str, float, str]] = {
    "frames": ("sonar_frames_total", 1, "Frames processed since the guide started"),
    "waits": ("sonar_waits_total", 1, "Waits in vain for a frame, announced as unknown"),
    "samples": ("sonar_audio_samples_total", 1, "Samples the sound device has taken"),
    "restarts": ("sonar_restarts_total", 1, "Guides started after a failure"),
    "dropped": ("sonar_frames_dropped_total", 1, "Frames replaced by a newer one"),
    "xruns": ("sonar_audio_xruns_total", 1, "Gaps in the sound"),
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


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(host: str, path: str | None) -> str | None:
    """The token that clients must send, None where none is asked.

    Raises ConfigError where one is needed and is not there or too short to be one.
    """
    if path is None:
        if not is_loopback(host):
            raise ConfigError(
                f"service.health_host {host} is open to others: set service.health_token_file."
            )
        return None
    try:
        token = Path(path).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        raise ConfigError(f"service.health_token_file {path} cannot be read.") from error
    if len(token) < TOKEN_LENGTH:
        raise ConfigError(f"The token in {path} is shorter than {TOKEN_LENGTH} characters.")
    return token


class HealthServer(ThreadingHTTPServer):
    """Serves snapshots from threads of its own; a slow client holds up nobody.

    Raises OSError when the address is taken.
    """

    daemon_threads = True
    request_queue_size = 16

    def __init__(
        self, host: str, port: int, token: str | None, look: Callable[[], Snapshot]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.token, self.look = token, look
        super().__init__((host, port), _Handler)
        self.port: int = self.server_address[1]
        GuardedThread("health", self.serve_forever).start()

    @classmethod
    def start(
        cls,
        host: str,
        port: int,
        token_file: str | None,
        look: Callable[[], Snapshot],
        log: Callable[..., None],
    ) -> None:
        """Serve, or log why not: guiding goes on without it. A port of 0 means off."""
        if port == 0:
            return
        try:
            server = cls(host, port, read_token(host, token_file), look)
        except (OSError, OverflowError, ConfigError) as error:
            log("health_off", level="error", problem=str(error))
        else:
            log("health", address=f"{host}:{server.port}")

    def close(self) -> None:
        """Stop listening; takes at most about half a second."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: HealthServer
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
            metrics = self.server.look().metrics()
            self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics)
        else:
            snapshot = self.server.look()
            body = json.dumps(snapshot.json(), default=str) + "\n"
            self._answer(200 if snapshot.healthy else 503, "application/json", body.encode())

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: they hold addresses of people."""

    def _may(self) -> bool:
        if self.server.token is None:
            # A web page that the user visits must not read it (DNS rebinding).
            return is_loopback(urlsplit(f"//{self.headers.get('Host', '')}").hostname or "")
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        return kind == "Bearer" and hmac.compare_digest(
            given.strip().encode("utf-8", "replace"), self.server.token.encode()
        )

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def ask(config: "ServiceConfig") -> dict[str, Any] | None:
    """``/healthz`` of the service that runs with ``config``; None where nobody answers."""
    import urllib.error  # not in the supervisor: it stays small
    import urllib.request

    host = config.health_host
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    request = urllib.request.Request(f"http://{shown}:{config.health_port}/healthz")
    with contextlib.suppress(ConfigError):
        if token := read_token(config.health_host, config.health_token_file):
            request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by way of a proxy
    try:
        try:
            answer = opener.open(request, timeout=ANSWER_S)
        except urllib.error.HTTPError as error:  # 503: it runs and is not well
            answer = error
        with answer:
            found = json.loads(answer.read(_LONGEST))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
