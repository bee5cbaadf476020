"""Who may use the page: a browser on this machine, or whoever knows the password.

It checks every request, those to Gradio's own routes included.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from sonar.config import WebConfig
from sonar.errors import ConfigError
from sonar.files import expanded
from sonar.service.health import is_loopback

USER = "sonar"
SHORTEST = 16  # characters of a password
# Gradio asks this of itself before it says that it is up; the answer holds no data.
_OWN = "/gradio_api/startup-events"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def password_for(config: WebConfig) -> str | None:
    """The password that browsers must give: none on loopback, unless a file has one.

    Raises ConfigError for a file that cannot be read or holds too short a password.
    """
    if config.password_file is None:
        return None if is_loopback(config.host) else secrets.token_hex(SHORTEST // 2)
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

    def __init__(self, app: App, password: str | None) -> None:
        self._app, self._password = app, password

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif (refusal := self._refusal(scope)) is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(send, *refusal)

    def _refusal(self, scope: Message) -> tuple[int, str] | None:
        """Status and sentence for what may not come in."""
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        host = headers.get("host", "")
        if scope["path"] == _OWN:
            return None
        if self._password is None:
            if not is_loopback(_name(host)):
                return 403, "Open this page by the address that sonar web printed.\n"
        elif not _knows(headers.get("authorization", ""), self._password):
            return 401, f"The user is {USER}, the password is the one that sonar web printed.\n"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, "Another site's page may not use this one.\n"
        return None


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="sonar", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _knows(authorization: str, password: str) -> bool:
    kind, _, coded = authorization.partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        user, _, given = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return False
    right = hmac.compare_digest(given.encode(), password.encode())
    return hmac.compare_digest(user.encode(), USER.encode()) and right
