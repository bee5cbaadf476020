"""How commands speak to people: plain sentences, JSON when asked, progress that reads well.

On a terminal a progress bar may be drawn; anywhere else, and with ``--plain``, progress is a
line of text now and then, so that screen readers and log files stay readable.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import typer

from sonar.cli import streams
from sonar.config import SonarConfig
from sonar.errors import OutputError
from sonar.files import json_text

COMMON_EPILOG = (
    "Common options (any place): --config, --set, --json, --plain, -v. See sonar --help."
)


@dataclass
class Common:
    """The options every command shares."""

    config_path: str | None = None
    sets: list[str] = field(default_factory=list)
    json: bool = False
    plain: bool = False
    verbose: int = 0
    configs: list[str] = field(default_factory=list)  # every --config; most commands take one

    def load(self, profile: str | None = None) -> SonarConfig:
        """The configuration; ``profile`` is used where the user named none."""
        from sonar.config.load import load_config

        return load_config(self.config_path or profile, self.sets)

    @property
    def fancy(self) -> bool:
        """Whether drawing on the terminal is welcome."""
        return not self.plain and not self.json and sys.stderr.isatty()


def common(ctx: typer.Context) -> Common:
    """The shared options of this run."""
    found = ctx.find_root().obj
    assert isinstance(found, Common)
    return found


def say(text: str) -> None:
    """One line for the user, on standard output; dropped where it cannot be written."""
    typer.echo(text)


def note(text: str) -> None:
    """One line beside the result (progress, warnings), on standard error; likewise."""
    typer.echo(text, err=True)


def result(text: str) -> None:
    """What the command was asked for, on standard output. Raises OutputError when it is lost."""
    typer.echo(text)
    if (reason := streams.lost()) is not None:
        raise OutputError(f"standard output cannot be written ({reason.strerror})")


def emit_json(value: Any) -> None:
    """One JSON document, as :func:`result`."""
    result(json_text(value, encoding=sys.stdout.encoding).rstrip())


Advance = Callable[[int, int | None], None]  # amount done, total where known


@contextmanager
def progress(options: Common, label: str) -> Iterator[Advance]:
    """A bar on a terminal; elsewhere a line at each tenth (or nothing with ``--json``)."""
    if options.fancy:
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return

    told = 0

    def lines(done: int, total: int | None) -> None:
        nonlocal told
        if options.json or not total:
            return
        tenth = min(10, 10 * done // total)
        if tenth > told:
            told = tenth
            note(f"{label}: {10 * tenth} %")

    yield lines
