"""``sonar train-ear``: learn what the sounds mean, by ear and with single keys."""

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from sonar.cli.ui import common, emit_json, note, say


def train_ear(
    ctx: typer.Context,
    questions: Annotated[
        int, typer.Option(min=1, max=10, help="in each lesson; 8 take about ten minutes")
    ] = 8,
    seed: Annotated[
        int | None, typer.Option(help="the same number asks the same; none = always new")
    ] = None,
) -> None:
    """Learn the sounds in ten minutes.

    Listen, answer with 1 2 3 4, hear your score.
    Space plays again, q ends. Everything is spoken and printed; no camera, no model.
    """
    from sonar.audio.output.device import open_sink
    from sonar.audio.speech.bank import SpeechBank
    from sonar.audio.synthesis import Mixer
    from sonar.clock import SystemClock
    from sonar.lab.simulate.ear import EarStage, EarTrainer
    from sonar.lab.simulate.ear_scenes import SceneMaker

    options = common(ctx)
    config = options.load()
    # A quiet scheme would teach nothing, and while one thinks no news comes.
    scheme = "pulse" if config.audio.scheme == "quiet" else config.audio.scheme
    audio = config.audio.model_copy(update={"scheme": scheme})
    chosen = int.from_bytes(os.urandom(4), "big") if seed is None else seed
    clock = SystemClock()
    speech = SpeechBank(config.speech, audio.rate_hz, clock=clock)
    try:
        speech.prepare()
        mixer = Mixer(audio, config.speech, speech, stale_s=3600.0)
        sink = open_sink(audio, mixer, clock)
        if problem := getattr(sink, "note", None):
            note(problem)
        with single_keys() as keys:
            sink.start()
            try:
                stage = EarStage(mixer, sink, clock, speech, note if options.json else say)
                trainer = EarTrainer(SceneMaker(audio, chosen), stage, keys, questions, chosen)
                score = trainer.run()
                sink.drain(1.0)
            finally:
                sink.close()
    finally:
        speech.close()
    if options.json:
        emit_json({**asdict(score), "seed": chosen})


@contextmanager
def single_keys() -> Iterator[Callable[[float], str | None]]:
    """Keys one by one from standard input, a terminal or not; put back afterwards."""
    try:
        file = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        yield lambda _timeout_s: ""
        return

    def read(timeout_s: float) -> str | None:
        if not select.select([file], [], [], timeout_s)[0]:
            return None
        return os.read(file, 1).decode("ascii", "replace").lower()

    if not os.isatty(file):
        yield read
        return
    before = termios.tcgetattr(file)
    try:
        tty.setcbreak(file, termios.TCSADRAIN)
        yield read
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)
