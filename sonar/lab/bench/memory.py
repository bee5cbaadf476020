"""Resident memory of one engine alone, in a process of its own."""

import multiprocessing
from multiprocessing.connection import Connection

import psutil

from sonar.depth.candidates import Candidate, open_backend
from sonar.depth.engine import NetworkEngine
from sonar.depth.models.resolved import ResolvedModel
from sonar.depth.models.store import Store
from sonar.depth.practice import practice_images
from sonar.errors import DepthError, SonarError
from sonar.types import Frame

LIMIT_S = 180.0
FRAMES = 20


def resident_mb(
    candidate: Candidate, model: ResolvedModel, threads: int, frame_hw: tuple[int, int]
) -> float:
    """MB (1e6 bytes) after :data:`FRAMES` frames of ``frame_hw`` (rows, columns).

    Raises DepthError when the process fails or takes more than three minutes.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    words = (sender, candidate, model, threads, frame_hw)
    process = context.Process(target=_measure, args=words, daemon=True)
    process.start()
    sender.close()
    reason = f"it took over {LIMIT_S:.0f} s"
    try:
        if receiver.poll(LIMIT_S):
            found = receiver.recv()
            if isinstance(found, int):
                return round(found / 1e6, 1)
            reason = found
    except EOFError:
        reason = "its process ended early"
    finally:
        process.kill()
        process.join(10.0)
        receiver.close()
    raise DepthError(f"memory of {candidate.backend} is not measured: {reason}")


def resident_bytes(pid: int | None = None) -> int:
    """Resident bytes of a process, by default of this one."""
    return int(psutil.Process(pid).memory_info().rss)


def _measure(
    sender: Connection,
    candidate: Candidate,
    model: ResolvedModel,
    threads: int,
    frame_hw: tuple[int, int],
) -> None:
    """In the new process: send the resident bytes, or why there are none."""
    try:
        backend = open_backend(candidate, model, threads, Store())
        engine = NetworkEngine(backend, model.contract, "memory")
        image = next(iter(practice_images(1, *frame_hw)))
        for number in range(FRAMES):
            engine.estimate(Frame(image=image, id=number, t=0.0))
        sender.send(resident_bytes())
    except SonarError as error:
        sender.send(str(error))
