"""Who may use the page: a browser on this machine, or whoever knows the password.

It checks every request, those to Gradio's own routes included.
"""

import base64
import binascii
import hmac
import secrets
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sonar.config import WebConfig
from sonar.errors import ConfigError
from sonar.files import expanded
from sonar.service.health import LOOPBACK, is_ours

USER = "sonar"
SHORTEST = 16  # characters of a password
# Gradio asks this of itself before it says that it is up; the answer holds no data.
_OWN = "/gradio_api/startup-events"
_ASK = {"www-authenticate": 'Basic realm="sonar", charset="UTF-8"'}


def password_for(config: WebConfig) -> str | None:
    """The password that browsers must give: none on loopback, unless a file has one.

    Raises ConfigError for a file that cannot be read or holds too short a password.
    """
    if config.password_file is None:
        return None if config.host in LOOPBACK else secrets.token_hex(SHORTEST // 2)
    file = config.password_file
    try:
        password = expanded(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"web.password_file {file} cannot be read") from error
    if len(password) < SHORTEST:
        raise ConfigError(f"the password in {file} is shorter than {SHORTEST} characters")
    return password


class Gate:
    """ASGI middleware. Without a password only what is addressed to this machine comes in: a
    site on the internet could otherwise reach the page under a name of its own (DNS rebinding).
    With one, HTTP Basic authentication. Either way no other site's page may press buttons here.
    """

    def __init__(self, app: ASGIApp, password: str | None) -> None:
        self._app, self._password = app, password

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        app = self._app
        if scope["type"] == "http":
            app = self._refusal(HTTPConnection(scope)) or app
        await app(scope, receive, send)

    def _refusal(self, request: HTTPConnection) -> PlainTextResponse | None:
        """The answer to what may not come in."""
        host = request.headers.get("host", "")
        if request.scope["path"] == _OWN:
            return None
        if self._password is None:
            if not is_ours(host):
                text = "Open this page by the address that sonar web printed.\n"
                return PlainTextResponse(text, 403)
        elif not _knows(request.headers.get("authorization", ""), self._password):
            text = f"The user is {USER}, the password is the one that sonar web printed.\n"
            return PlainTextResponse(text, 401, _ASK)
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return PlainTextResponse("Another site's page may not use this one.\n", 403)
        return None


def _knows(authorization: str, password: str) -> bool:
    kind, _, coded = authorization.partition(" ")
    try:
        given = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return kind.lower() == "basic" and hmac.compare_digest(given, f"{USER}:{password}".encode())
