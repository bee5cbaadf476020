"""Many recordings: each in a process of its own, into a folder of its own, with a summary page.

A recording that cannot be read, a crash, or running out of memory costs that recording only.
A summary says under ``job`` what it depends on; ``resume`` skips a complete recording when file,
configuration, options and version are still the same.
"""

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from sonar import __version__
from sonar.config import SonarConfig
from sonar.errors import OutputError, SonarError
from sonar.pipeline import Pipeline
from sonar.replay.batch.plan import Job
from sonar.threads import GuardedThread

SCHEMA = "sonar.batch/1"
INTERRUPTED = 130
CRASHED = 1
_END_S = 30.0  # a recording that is asked to stop gets so long to finish its files

Guard = Callable[[Pipeline], AbstractContextManager[None]]
Report = Callable[["Done", int, int], None]  # a finished recording, how many are done, of how many


@dataclass(frozen=True, slots=True)
class Options:
    """What each recording is processed with."""

    video: bool = True
    report: bool = False
    realtime: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """How a recording went. ``summary`` is what its ``summary.json`` holds, or empty."""

    job: Job
    code: int
    problem: str
    summary: dict[str, Any]
    resumed: bool = False


def run_batch(
    jobs: Sequence[Job],
    config: SonarConfig,
    options: Options,
    *,
    workers: int = 1,
    resume: bool = False,
    report: Report | None = None,
    guard: Guard | None = None,
    inputs: Sequence[Path | str] = (),
) -> list[Done]:
    """Process every job, ``workers`` at a time; results in the order of ``jobs``.

    Args:
        resume: skip those that are complete.
        report: called in this process as each ends.
        guard: as in :func:`sonar.replay.session.replay`; must be picklable (a function).
        inputs: what is read besides the recordings; never overwritten, as these.

    On KeyboardInterrupt the running ones finish their files, and the rest counts as interrupted.
    """
    if workers > 1 and not config.engine.threads:  # share the cores instead of fighting over them
        threads = max(1, (os.cpu_count() or 1) // workers)
        engine = config.engine.model_copy(update={"threads": threads})
        shared = config.model_copy(update={"engine": engine})
    else:
        shared = config
    reads = [*(job.spec for job in jobs), *inputs]
    done: dict[str, Done] = {}
    running: dict[Connection, _Worker] = {}
    waiting = list(jobs)

    def finished(result: Done) -> None:
        done[result.job.name] = result
        if report is not None:
            report(result, len(done), len(jobs))

    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                mark = fingerprint(job, config, options)
                before = _complete(job, mark, options) if resume else None
                if before is not None:
                    finished(Done(job, 0, "", before, resumed=True))
                    continue
                worker = _Worker(job, shared, options, mark, guard, reads)
                running[worker.pipe] = worker
            for pipe in wait(list(running)) if running else ():  # none: all were complete
                assert isinstance(pipe, Connection)
                finished(running.pop(pipe).result())
    except KeyboardInterrupt:
        for worker in running.values():
            worker.stop()
        for worker in running.values():
            finished(worker.result())
        for job in waiting:
            finished(Done(job, INTERRUPTED, "not started", {}))
    return [done[job.name] for job in jobs]


def worst(results: Iterable[Done]) -> int:
    """One exit code for all: 130 if interrupted, else the highest."""
    return max((result.code for result in results), default=0)


def fingerprint(job: Job, config: SonarConfig, options: Options) -> dict[str, Any]:
    """What a result depends on: equal fingerprints give equal results."""
    path = Path(job.spec)
    settings = f"{config.model_dump_json()} {options}"
    found: dict[str, Any] = {
        "sonar": __version__,
        "recording": str(path.absolute()),
        "settings_sha256": hashlib.sha256(settings.encode()).hexdigest(),
    }
    try:
        facts = path.stat()
        found |= {"bytes": facts.st_size, "modified_ns": facts.st_mtime_ns}
    except OSError:
        pass  # opening it reports why
    return found


class _Worker:
    """A process that works on one job, seen from outside."""

    def __init__(
        self,
        job: Job,
        config: SonarConfig,
        options: Options,
        mark: dict[str, Any],
        guard: Guard | None,
        inputs: Sequence[Path | str],
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._job, self._mark, self._stopped = job, mark, False
        self.pipe, theirs = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_work, args=(theirs, job, config, options, mark, guard, inputs), daemon=True
        )
        self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._stopped = True
        self._process.terminate()

    def result(self) -> Done:
        """Wait for the end; a process that does not end is killed."""
        answer: tuple[int, str] | None = None
        try:
            if self.pipe.poll(_END_S):
                answer = self.pipe.recv()
        except (EOFError, OSError):
            pass  # it died without an answer; its exit code says how
        self._process.join(_END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        self.pipe.close()
        if answer is None and self._stopped:  # it had not begun yet
            answer = (INTERRUPTED, "interrupted")
        if answer is None:
            how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
            answer = (CRASHED, f"its process ended {how}")
        summary = _summary(self._job.out)
        if summary.get("job") != self._mark:  # an earlier run's: this one did not come so far
            summary = {}
        return Done(self._job, answer[0], answer[1], summary)


def _work(
    pipe: Connection,
    job: Job,
    config: SonarConfig,
    options: Options,
    mark: dict[str, Any],
    guard: Guard | None,
    inputs: Sequence[Path | str],
) -> None:
    """In the process of a job: do it, and answer with its exit code and problem."""
    from sonar.replay.session import replay

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent decides
    GuardedThread("orphan", _end_with_parent).start()
    code, problem = 0, ""
    try:
        outcome = replay(
            job.spec,
            job.out,
            config,
            realtime=options.realtime,
            video=options.video,
            report=options.report,
            guard=guard,
            inputs=inputs,
            job=mark,
        ).outcome
        if outcome.interrupted:
            code, problem = INTERRUPTED, "interrupted"
        elif outcome.error is not None:
            code, problem = outcome.error.exit_code, str(outcome.error)
    except SonarError as error:
        code, problem = error.exit_code, str(error)
    except KeyboardInterrupt:
        code, problem = INTERRUPTED, "interrupted"
    except OSError as error:
        code, problem = OutputError.exit_code, f"{job.out}: {error.strerror or error}"
    pipe.send((code, problem))


def _end_with_parent() -> None:
    """A parent that is killed cannot ask for an end; without it nobody would wait for us."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _complete(job: Job, mark: dict[str, Any], options: Options) -> dict[str, Any] | None:
    """The summary of a job that was done just so before, or None."""
    needed = ["audio.wav", "events.jsonl", "frames.jsonl"]
    needed += ["annotated.mp4"] if options.video else []
    needed += ["report.html"] if options.report else []
    summary = _summary(job.out)
    same = summary.get("complete") is True and summary.get("job") == mark
    whole = same and all((job.out / name).is_file() for name in needed)
    return summary if whole else None


def _summary(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "summary.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
