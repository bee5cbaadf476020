"""``sonar web``: photos, videos and a running sonar in a browser."""

from importlib.util import find_spec
from typing import Annotated

import typer

from sonar.cli.process import terminates
from sonar.cli.ui import common, note, prepare, say
from sonar.config import SonarConfig
from sonar.errors import DeviceError, MissingExtraError


def web(
    host: Annotated[
        str | None,
        typer.Option("--host", help="address; 0.0.0.0 lets the network in, with a password"),
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="TCP port")] = None,
) -> None:
    """Serve a page for photos, videos and a running sonar.

    Until Ctrl-C. On this machine only, unless asked; for others a password is needed.
    """
    if find_spec("gradio") is None:
        raise MissingExtraError("web", "The page")
    from sonar.config.load import load_config
    from sonar.web.gate import USER, password_for
    from sonar.web.page import serve

    options = common()
    own = [f"web.{key}={value}" for key, value in (("host", host), ("port", port)) if value]

    def load(more: list[str]) -> SonarConfig:
        return load_config(options.config_path or "replay", [*options.sets, *own, *more])

    loaded = load([])
    prepare(loaded)
    config = loaded.web
    password = password_for(config)
    if password is not None:
        shown = "what web.password_file holds" if config.password_file else password
        note(
            f"Who reaches {config.host}:{config.port} needs the user {USER} and the password "
            f"{shown}. It goes over the network as it is: let in only a network you trust."
        )
    try:
        with terminates():
            serve(load, password, lambda url: say(f"Open {url} in a browser. Ctrl-C ends."))
    except OSError as error:
        raise DeviceError(
            f"The page cannot be served at {config.host}:{config.port}: {error}"
        ) from error
