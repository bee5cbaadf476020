"""Asking a running service how it is."""

import json
import urllib.error
import urllib.request
from typing import Any

from sonar.config import ServiceConfig
from sonar.service.health import HealthError, read_token

LIMIT_S = 2.0
_LONGEST = 65_536


def ask(config: ServiceConfig) -> dict[str, Any] | None:
    """``/healthz`` of the service that runs with ``config``; None where nobody answers."""
    if config.health_port == 0:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.health_host, config.health_host)
    shown = f"[{host}]" if ":" in host else host
    request = urllib.request.Request(f"http://{shown}:{config.health_port}/healthz")
    try:
        token = read_token(config.health_host, config.health_token_file)
    except HealthError:
        token = None
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by way of a proxy
    try:
        with opener.open(request, timeout=LIMIT_S) as answer:
            body = answer.read(_LONGEST)
    except urllib.error.HTTPError as error:  # 503: it runs and is not well
        body = error.read(_LONGEST)
    except (OSError, ValueError):
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
