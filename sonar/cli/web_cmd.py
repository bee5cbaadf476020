"""``sonar web``: try it in a browser."""

from importlib.util import find_spec
from typing import Annotated

import typer

from sonar.cli.signals import terminates
from sonar.cli.ui import common, note, say
from sonar.errors import DeviceError, MissingExtraError


def web(
    ctx: typer.Context,
    host: Annotated[
        str | None, typer.Option("--host", help="address; 0.0.0.0 lets the network in")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="TCP port")] = None,
) -> None:
    """Serve a page for photos and videos until Ctrl-C; on this machine only, unless asked."""
    if find_spec("gradio") is None:
        raise MissingExtraError("web", "The page")
    from sonar.config import SonarConfig
    from sonar.config.load import load_config
    from sonar.service.health import is_loopback
    from sonar.web.page import serve

    options = common(ctx)
    own = [f"web.host={host}"] if host is not None else []
    own += [f"web.port={port}"] if port is not None else []

    def load(more: list[str]) -> SonarConfig:
        return load_config(options.config_path or "replay", [*options.sets, *own, *more])

    config = load([]).web
    if not is_loopback(config.host):
        note(f"Everybody who reaches {config.host}:{config.port} can use this page.")
    try:
        with terminates():
            serve(load, lambda url: say(f"Open {url} in a browser. Ctrl-C ends."))
    except OSError as error:
        raise DeviceError(
            f"The page cannot be served at {config.host}:{config.port}: {error}"
        ) from error
