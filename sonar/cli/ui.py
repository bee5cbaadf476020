"""What commands share: options, results and notes, progress.

Output is plain lines, and progress a line now and then, for screen readers and log files.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonar.cli import process
from sonar.config import AudioConfig, SonarConfig, SpeechConfig
from sonar.errors import OutputError
from sonar.files import Progress, json_text

if TYPE_CHECKING:  # not every command's need
    from sonar.audio.speech.bank import SpeechBank
    from sonar.audio.synthesis import Mixer
    from sonar.ports import AudioSink

INTERRUPTED = 130
COMMON_EPILOG = "Common options (any place): --config, --set, --json, -v. See sonar --help."
Out = Annotated[Path, typer.Option("--out", "-o", help="folder for the results")]
OutOrNone = Annotated[Path | None, typer.Option("--out", "-o", help="where the result goes")]
Source = Annotated[
    str,
    typer.Argument(
        envvar="SONAR_SOURCE",
        help="camera number or /dev/videoN, rtsp:// or http:// stream, video, images",
    ),
]


@dataclass
class Common:
    """The options that every command shares; several ``--config`` only where they are compared."""

    sets: list[str] = field(default_factory=list)
    json: bool = False
    verbose: int = 0
    configs: list[str] = field(default_factory=list)

    def load(self, profile: str | None = None, own: Sequence[str] = ()) -> SonarConfig:
        """The configuration: ``profile`` where the user named none, and what the command's ``own``
        options stand for, as ``--set`` takes it."""
        from sonar.config.load import load_config

        return load_config(self.configs[0] if self.configs else profile, [*self.sets, *own])

    def ready(self, profile: str | None = None, own: Sequence[str] = ()) -> SonarConfig:
        """As :meth:`load`, with the configured depth model prepared."""
        config = self.load(profile, own)
        prepare(config)
        return config

    def answer(self, data: Any, lines: Iterable[str]) -> None:
        """What the command found: ``data`` with ``--json``, else ``lines``."""
        if self.json:
            return emit_json(data)
        for line in lines:
            say(line)

    def progress(self, label: str) -> Progress:
        """A function that notes each tenth of the work on a line (nothing with ``--json``)."""
        reported = 0

        def advance(done: int, total: int | None) -> None:
            nonlocal reported
            tenth = min(10, 10 * done // total) if total and not self.json else 0
            if tenth > reported:
                reported = tenth
                note(f"{label}: {10 * tenth} %")

        return advance


options = Common()  # of the command line that runs; the root command sets them


@contextmanager
def voice(
    audio: AudioConfig, speech: SpeechConfig, stale_s: float | None = None
) -> "Iterator[tuple[Mixer, AudioSink, SpeechBank]]":
    """Sound and words without a camera, started; every phrase is rendered first."""
    from sonar.audio.output.device import open_sink
    from sonar.audio.speech.bank import SpeechBank
    from sonar.audio.synthesis import Mixer
    from sonar.clock import SystemClock

    with closing(SpeechBank(speech, audio.rate_hz)) as bank:
        bank.prepare()
        mixer = Mixer(audio, speech, bank, stale_s=stale_s)
        with closing(open_sink(audio, mixer, SystemClock())) as sink:
            if problem := sink.status.note:
                note(problem)
            sink.start()
            yield mixer, sink, bank


def as_sets(**values: object) -> list[str]:
    """``mount__height_m=1.35`` as ``mount.height_m=1.35``, without those that are None."""
    return [f"{k.replace('__', '.')}={v}" for k, v in values.items() if v is not None]


def prepare(config: SonarConfig) -> None:
    """Convert a checkpoint, or quantize to int8, where the configured model needs it once.

    Takes up to some minutes, and is reported on standard error. Raises ModelError when the model
    is missing or cannot be converted, MissingExtraError without the extra [midas].
    """
    if config.engine.model == "builtin":
        return
    from sonar.depth.models import Store
    from sonar.depth.select import missing_precisions

    store = Store(config.models, report=note)
    model = store.resolve(config.engine.model)
    missing = missing_precisions(config.engine, model, store)
    if missing:
        from sonar.lab.quantise.artefacts import optimise

        optimise(model, precisions=missing, store=store, report=note)


def say(text: str) -> None:
    """One line for the user, on standard output; dropped where it cannot be written."""
    typer.echo(text)


def note(text: str) -> None:
    """One line beside the result (progress, warnings), on standard error; likewise."""
    typer.echo(text, err=True)


def result(text: str) -> None:
    """What the command was asked for, on standard output. Raises OutputError when it is lost."""
    typer.echo(text)
    if (reason := process.lost()) is not None:
        raise OutputError(f"standard output cannot be written ({reason.strerror})")


def emit_json(value: Any) -> None:
    """One JSON document, as :func:`result`."""
    result(json_text(value).rstrip())
