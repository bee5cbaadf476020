"""The work of an evaluation in pieces: here, or in several processes.

A piece is one folder of images, or one labeled recording, with one configuration. Its result
depends on nothing else, so that figures do not depend on where it ran.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sonar import app
from sonar.config import SonarConfig
from sonar.errors import SonarError, SourceError
from sonar.lab.evaluate.data import Dataset
from sonar.lab.evaluate.folder import FolderReadings, MountUse, read_folder
from sonar.lab.evaluate.heard import ClipResult, judge
from sonar.lab.evaluate.labels import Clip
from sonar.replay.regression import read_events

Result = FolderReadings | ClipResult


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of work: ``what`` to evaluate, with which configuration."""

    what: Dataset | Clip
    config: SonarConfig
    mount_use: MountUse = "frames"


def pinned(config: SonarConfig) -> tuple[SonarConfig, str]:
    """``config`` with nothing left to choose by measuring, and the engine's name.

    Without this, each process would choose what is fastest in its moment.

    Raises ModelError or MissingExtraError.
    """
    with closing(app.open_engine(config)) as engine:
        backend = getattr(engine, "backend", None)
        if backend is None:
            return config, engine.label
        chosen = {"backend": backend.name, "precision": backend.precision}
        return _with_engine(config, **chosen), engine.label


def perform(piece: Piece) -> Result:
    """Do one piece. Raises SonarError."""
    if isinstance(piece.what, Clip):
        return _clip(piece.what, piece.config)
    with closing(app.open_engine(piece.config)) as engine:
        make_zones = partial(app.make_zones, piece.config)
        return read_folder(piece.what, piece.config, engine, piece.mount_use, make_zones)


def perform_all(pieces: Sequence[Piece], jobs: int = 1) -> Iterator[tuple[int, Result]]:
    """The index of a piece and its result, as they are done, in ``jobs`` processes.

    Raises SonarError.
    """
    if jobs < 2:
        yield from ((index, perform(piece)) for index, piece in enumerate(pieces))
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(pieces)) or 1, mp_context=context) as pool:
        futures = {}
        for index, piece in enumerate(pieces):
            if not piece.config.engine.threads:  # else the configuration says how many
                piece = replace(piece, config=_with_engine(piece.config, threads=threads))
            futures[pool.submit(perform, piece)] = index
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise SonarError("A process of the evaluation was killed.") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _with_engine(config: SonarConfig, **changes: object) -> SonarConfig:
    return config.model_copy(update={"engine": config.engine.model_copy(update=changes)})


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
