"""``sonar control``: a word to a sonar that is guiding."""

from typing import Annotated

import typer

from sonar.cli.ui import common, emit_json, say
from sonar.errors import ConfigError


def control(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND",
            help="mute | volume up|down|DB | verbosity danger|normal|chatty|next | "
            "scheme NAME|next | describe | repeat | keep | quit",
        ),
    ],
    instance: Annotated[
        str | None,
        typer.Option("--instance", metavar="PID", help="which sonar, where several run"),
    ] = None,
) -> None:
    """Tell a running sonar something, such as mute or describe."""
    from sonar.controls.control_socket import choose_instance, send

    answer = send(choose_instance(instance), " ".join(words))
    verdict, _, told = answer.partition(" ")
    if verdict != "ok":
        raise ConfigError(told)
    if common(ctx).json:
        emit_json({"answer": told})
    else:
        say(told)
