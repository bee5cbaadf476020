"""``sonar web``: photos, videos and a running sonar in a browser."""

from importlib.util import find_spec
from typing import Annotated

from typer import Option

from sonar.cli.process import terminates
from sonar.cli.ui import as_sets, note, options, say
from sonar.config import SonarConfig
from sonar.errors import DeviceError, MissingExtraError


def web(
    host: Annotated[str | None, Option("--host", help="0.0.0.0 lets the network in")] = None,
    port: Annotated[int | None, Option("--port", min=1, max=65535, help="TCP port")] = None,
) -> None:
    """Serve a page for photos, videos and a running sonar.

    Until Ctrl-C. On this machine only, unless asked; for others a password is needed.
    """
    if find_spec("gradio") is None:
        raise MissingExtraError("web", "The page")
    from sonar.web.gate import USER, password_for
    from sonar.web.page import serve

    own = as_sets(web__host=host, web__port=port)

    def load(more: list[str]) -> SonarConfig:
        return options.load("replay", [*own, *more])

    config = options.ready("replay", own).web
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
