"""``/healthz`` and ``/metrics`` on this machine: how the service is, for people and Prometheus."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from sonar import __version__
from sonar.threads import GuardedThread

STATES = ("starting", "loading", "ready", "guiding", "degraded", "failed", "gave_up", "stopped")
HOST = "127.0.0.1"
LOOPBACK = ("localhost", HOST, "::1")  # names of this machine
_WAIT_S = 2.0  # for a request, and for an answer
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
    """How the service is at one moment."""

    state: str  # as in the records, plus starting, failed and gave_up of the supervisor
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)  # those not in METRICS: /healthz only

    def json(self) -> bytes:
        """As ``/healthz`` gives it."""
        found = {"ok": self.state == "guiding", "state": self.state, "reason": self.reason}
        return json.dumps(found | self.figures, default=str).encode() + b"\n"

    def metrics(self) -> bytes:
        """As ``/metrics`` gives it: Prometheus' text format."""
        import prometheus_client as prometheus

        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = prometheus.CollectorRegistry()
        build = prometheus.Info("sonar_build", "Version of sonar", registry=registry)
        build.info({"version": __version__})
        state = prometheus.Gauge("sonar_state", "1 for the present", ["state"], registry=registry)
        for name in STATES:
            state.labels(name).set(name == self.state)
        if self.reason:
            why = prometheus.Gauge("sonar_reason", "Why not guiding", ["reason"], registry=registry)
            why.labels(self.reason).set(1)
        for key, (name, factor, text) in METRICS.items():
            value = self.figures.get(key)
            if isinstance(value, int | float):
                kind = prometheus.Counter if name.endswith("_total") else prometheus.Gauge
                kind(name, text, registry=registry).inc(factor * value)
        return prometheus.generate_latest(registry)


class HealthServer(ThreadingHTTPServer):
    """Serves what ``look`` gives on loopback, from threads of its own; a slow client holds up
    nobody. Raises OSError when the port is taken."""

    daemon_threads = True

    def __init__(self, port: int, look: Callable[[], Snapshot]) -> None:
        self.look = look
        super().__init__((HOST, port), _Handler)
        self.port: int = self.server_address[1]
        GuardedThread("health", self.serve_forever).start()

    @classmethod
    def start(cls, port: int, look: Callable[[], Snapshot], log: Callable[..., None]) -> None:
        """Serve, or log why not: guiding goes on without it. A port of 0 means off."""
        if port == 0:
            return
        try:
            log("health", address=f"{HOST}:{cls(port, look).port}")
        except OSError as error:
            log("health_off", level="error", problem=str(error))


class _Handler(BaseHTTPRequestHandler):
    server: HealthServer
    timeout = _WAIT_S

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        # A web page that the user visits must not read it (DNS rebinding).
        if not is_ours(self.headers.get("Host", "")):
            self._answer(401, "text/plain", b"Ask for it by the address of this machine.\n")
        elif path == "/metrics":
            kind = "text/plain; version=0.0.4; charset=utf-8"
            self._answer(200, kind, self.server.look().metrics())
        elif path == "/healthz":
            snapshot = self.server.look()
            code = 200 if snapshot.state == "guiding" else 503
            self._answer(code, "application/json", snapshot.json())
        else:
            self._answer(404, "text/plain", b"There is /healthz and /metrics.\n")

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def is_ours(host: str) -> bool:
    """Whether a request's ``Host`` is a name of this machine."""
    try:
        return urlsplit(f"//{host}").hostname in LOOPBACK
    except ValueError:
        return False


def ask(port: int) -> dict[str, Any] | None:
    """``/healthz`` of the service at ``port``; None where nobody answers."""
    import http.client  # not in the supervisor: it stays small

    connection = http.client.HTTPConnection(HOST, port, timeout=_WAIT_S)
    try:
        connection.request("GET", "/healthz")
        found = json.loads(connection.getresponse().read(_LONGEST))
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return found if isinstance(found, dict) else None
