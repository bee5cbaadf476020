"""The work of an evaluation in pieces: here, or in several processes.

A piece is one folder of images, or one labeled recording, with one variant (a configuration).
Its result depends on nothing else, so that figures do not depend on where it ran.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from sonar import app
from sonar.config import SonarConfig
from sonar.errors import SonarError, SourceError
from sonar.lab.evaluate.data import Dataset
from sonar.lab.evaluate.folder import FolderReadings, FolderRun, MountUse
from sonar.replay.heard import ClipResult, judge
from sonar.replay.labels import Clip
from sonar.replay.regression import read_events

Result = FolderReadings | ClipResult


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of work: ``what`` to evaluate, with which configuration."""

    what: Dataset | Clip
    config: SonarConfig
    mount_use: MountUse = "frames"


Numbered = tuple[int, Result]  # the place of a piece, and what came of it
Way = Callable[[Sequence[Piece]], Iterator[Numbered]]


def pinned(config: SonarConfig) -> tuple[SonarConfig, str]:
    """``config`` with nothing left to choose by measuring, and the engine's name.

    Without this, each process would choose what is fastest in its moment.

    Raises ModelError or MissingExtraError.
    """
    engine = app.open_engine(config)
    label = engine.label
    backend = getattr(engine, "backend", None)
    engine.close()
    if backend is None:
        return config, label
    chosen = {"backend": backend.name, "precision": backend.precision}
    return config.model_copy(update={"engine": config.engine.model_copy(update=chosen)}), label


def perform(piece: Piece) -> Result:
    """Do one piece. Raises SonarError."""
    if isinstance(piece.what, Clip):
        return _clip(piece.what, piece.config)
    return _folder(piece.what, piece.config, piece.mount_use)


def serial(pieces: Sequence[Piece]) -> Iterator[Numbered]:
    """One after the other, here."""
    for index, piece in enumerate(pieces):
        yield index, perform(piece)


def processes(count: int) -> Way:
    """``count`` processes of this machine."""

    def run(pieces: Sequence[Piece]) -> Iterator[Numbered]:
        context = multiprocessing.get_context("spawn")
        shared = [_sharing(piece, count) for piece in pieces]
        with ProcessPoolExecutor(min(count, len(pieces)) or 1, mp_context=context) as pool:
            futures = {pool.submit(perform, piece): i for i, piece in enumerate(shared)}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BrokenProcessPool as error:
                raise SonarError("A process of the evaluation was killed.") from error
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    return run


def _sharing(piece: Piece, count: int) -> Piece:
    """The piece with its part of the cores, unless the configuration says how many."""
    engine = piece.config.engine
    if engine.threads or count < 2:
        return piece
    threads = max(1, (os.cpu_count() or 1) // count)
    update = {"engine": engine.model_copy(update={"threads": threads})}
    return Piece(piece.what, piece.config.model_copy(update=update), piece.mount_use)


def _folder(dataset: Dataset, config: SonarConfig, mount_use: MountUse) -> FolderReadings:
    engine = app.open_engine(config)
    try:
        run = FolderRun(dataset, config, engine, mount_use)
        for _ in run.play(lambda mount: app.make_zones(config, mount)):
            pass
        return run.result
    finally:
        engine.close()


def _clip(clip: Clip, config: SonarConfig) -> ClipResult:
    from sonar.replay.session import replay

    with tempfile.TemporaryDirectory(prefix="sonar-evaluate-") as folder:
        out = Path(folder)
        result = replay(str(clip.video), out, clip.config(config), video=False)
        if result.outcome.error is not None:
            raise result.outcome.error
        if not result.outcome.frames:
            raise SourceError(f"{clip.video} holds no frame.")
        return judge(
            clip.name,
            clip.truth,
            read_events(out),
            float(result.summary["duration_s"]),
            result.outcome.degraded,
            result.outcome.frames,
        )
