"""``/healthz`` and ``/metrics`` on a loopback port; standard library only."""

import hmac
import ipaddress
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sonar.threads import GuardedThread

TOKEN_LENGTH = 16
_REQUEST_S = 2.0
STATES = ("starting", "loading", "ready", "guiding", "degraded", "failed", "gave_up", "stopped")
HEALTHY = ("guiding",)

# figure -> (metric, type, help); figures that are None or absent are left out
METRICS: dict[str, tuple[str, str, str]] = {
    "frames": ("sonar_frames_total", "counter", "Pictures processed since the guide started"),
    "waits": ("sonar_waits_total", "counter", "Waits in vain for a picture, told as unknown"),
    "samples": ("sonar_audio_samples_total", "counter", "Samples the sound device has taken"),
    "restarts": ("sonar_restarts_total", "counter", "Guides started after a failure"),
    "dropped": ("sonar_frames_dropped_total", "counter", "Pictures replaced by a newer one"),
    "xruns": ("sonar_audio_xruns_total", "counter", "Gaps in the sound"),
    "own_xruns": ("sonar_audio_own_xruns_total", "counter", "Gaps after a block rendered too late"),
    "engine_restarts": ("sonar_engine_restarts_total", "counter", "Depth networks reopened"),
    "fps": ("sonar_frames_per_second", "gauge", "Pictures processed a second, last seconds"),
    "rate_hz": ("sonar_rate_limit_hertz", "gauge", "Pictures a second that the governor allows"),
    "age_ms": ("sonar_frame_to_sound_milliseconds", "gauge", "Median age of a picture when heard"),
    "age_p95_ms": ("sonar_frame_to_sound_p95_milliseconds", "gauge", "95th percentile of the age"),
    "age_p99_ms": ("sonar_frame_to_sound_p99_milliseconds", "gauge", "99th percentile of the age"),
    "depth_ms": ("sonar_depth_milliseconds", "gauge", "Median time of the depth network"),
    "temperature_c": ("sonar_temperature_celsius", "gauge", "Hottest thermal zone"),
    "battery_percent": ("sonar_battery_percent", "gauge", "Charge of the battery"),
    "memory_mb": ("sonar_memory_megabytes", "gauge", "Resident memory of the guide"),
    "cpu_percent": ("sonar_cpu_percent", "gauge", "CPU share of the guide, one core is 100"),
}


@dataclass(frozen=True)
class Snapshot:
    """One look at the system.

    Attributes:
        state, reason: as in the records, plus starting, failed and gave_up of the supervisor.
        figures: by the names in METRICS; others are shown by ``/healthz`` only.
        at_s: when, on the process's monotonic clock.
    """

    state: str
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    at_s: float = 0.0

    @property
    def healthy(self) -> bool:
        return self.state in HEALTHY

    def json(self) -> dict[str, Any]:
        """As ``/healthz`` gives it."""
        return {"ok": self.healthy, "state": self.state, "reason": self.reason, **self.figures}

    def prometheus(self) -> str:
        """Text exposition format 0.0.4."""
        lines = ["# HELP sonar_state Present state: 1 for it, 0 for the others"]
        lines.append("# TYPE sonar_state gauge")
        for state in STATES:
            lines.append(f'sonar_state{{state="{state}"}} {int(state == self.state)}')
        if self.reason:
            reason = self.reason.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
            lines += [
                "# HELP sonar_reason Why it is not well",
                "# TYPE sonar_reason gauge",
                f'sonar_reason{{reason="{reason}"}} 1',
            ]
        for key, (name, kind, text) in METRICS.items():
            value = self.figures.get(key)
            if value is not None:
                lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"


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
    except (OSError, UnicodeDecodeError, RuntimeError) as error:  # RuntimeError: no home for ~
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
            self._answer(404, "text/plain", "There is /healthz and /metrics.\n")
        elif not self._may():
            self._answer(401, "text/plain", "Send the token: Authorization: Bearer TOKEN\n")
        elif path == "/metrics":
            text = self.look().prometheus()
            self._answer(200, "text/plain; version=0.0.4; charset=utf-8", text)
        else:
            snapshot = self.look()
            body = json.dumps(snapshot.json(), default=str) + "\n"
            self._answer(200 if snapshot.healthy else 503, "application/json", body)

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

    def _answer(self, code: int, kind: str, body: str) -> None:
        data = body.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
