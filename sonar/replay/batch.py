"""Many recordings, one after the other, each into a folder of its own, with a summary page."""

import logging
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from sonar.errors import ConfigError, OutputError, SonarError, SourceError
from sonar.files import printable
from sonar.replay.folder import write_json, write_whole
from sonar.replay.report import render
from sonar.replay.session import ReplayResult

VIDEO_SUFFIXES = frozenset(
    (
        *(".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".ivf", ".m1v", ".m2ts", ".m2v"),
        *(".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv"),
        *(".ts", ".vob", ".webm", ".wmv", ".h264", ".264", ".h265", ".265", ".hevc", ".mjpeg"),
        ".mjpg",
    )
)
PAGE, FACTS = "index.html", "batch.json"
SCHEMA = "sonar.batch/1"
INTERRUPTED = 130
_BESIDE_SUFFIXES = frozenset((".yaml", ".yml", ".json", ".jsonl", ".txt", ".md", ".srt"))
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One recording and its folder."""

    name: str
    spec: str
    out: Path


@dataclass(frozen=True, slots=True)
class Done:
    """How a recording went. ``summary`` is what its ``summary.json`` holds, or empty."""

    job: Job
    code: int
    problem: str
    summary: Mapping[str, Any]


def find_videos(specs: Sequence[str]) -> list[str] | None:
    """The recordings that ``specs`` name: files, and the videos in folders, by name.

    None where there is one that is not a folder of videos: that is a run, not a batch.
    """
    found: list[str] = []
    for spec in specs:
        videos = _videos_in(Path(spec))
        if len(specs) == 1 and not videos:
            return None
        found += videos or [spec]
    return found


def _videos_in(path: Path) -> list[str]:
    """Videos of a folder by name; empty for anything else. Raises SourceError."""
    try:
        if not path.is_dir():
            return []
        files = sorted(f for f in path.iterdir() if f.is_file() and not f.name.startswith("."))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    others = [f for f in files if f not in videos and f.suffix.lower() not in _BESIDE_SUFFIXES]
    if videos and others:
        names = ", ".join(printable(file.name) for file in others[:5])
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        _log.warning("Left out of %s: %s%s. Name a file to replay it.", path, names, more)
    return [str(video) for video in videos]


def plan(specs: Sequence[str], out: Path) -> list[Job]:
    """A folder in ``out`` for each recording, named after it; a second of a name gets a number.

    Raises ConfigError when one is named twice.
    """
    jobs: list[Job] = []
    taken: set[str] = set()
    seen: set[Path] = set()
    for spec in specs:
        if (whole := Path(spec).absolute()) in seen:
            raise ConfigError(f"{spec} is named twice.")
        seen.add(whole)
        stem = Path(spec).stem or "recording"
        name, number = stem, 1
        # Some disks take names for one that differ in case, or in how accents are coded.
        while (folded := unicodedata.normalize("NFC", name).casefold()) in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(folded)
        jobs.append(Job(name, spec, out / name))
    return jobs


def run_batch(
    jobs: Sequence[Job],
    replay: Callable[[str, Path], ReplayResult],
    report: Callable[[str], None],
) -> list[Done]:
    """``replay`` every job; what goes wrong with a recording costs that recording only.

    After an interruption, the rest counts as interrupted.

    Args:
        replay: recording and folder to result; see :func:`sonar.replay.replay`.
        report: called with one line as each ends.
    """
    results: list[Done] = []
    interrupted = False
    for job in jobs:
        if interrupted:
            results.append(Done(job, INTERRUPTED, "not started", {}))
            continue
        code, problem, summary = 0, "", {}
        try:
            result = replay(job.spec, job.out)
            summary = result.summary
            if result.outcome.interrupted:
                interrupted = True
                code, problem = INTERRUPTED, "interrupted"
            elif result.outcome.error is not None:
                code, problem = result.outcome.error.exit_code, str(result.outcome.error)
        except SonarError as error:
            code, problem = error.exit_code, str(error)
        except OSError as error:
            code, problem = OutputError.exit_code, f"{job.out}: {error.strerror or error}"
        except Exception as error:  # a fault of ours costs this recording, not the others
            _log.exception("%s failed", job.spec)
            code, problem = 1, f"{type(error).__name__}: {error}"
        except KeyboardInterrupt:  # before its frames
            interrupted = True
            code, problem = INTERRUPTED, "interrupted"
        results.append(Done(job, code, problem, summary))
        report(f"{len(results)} of {len(jobs)}: {job.spec}: {problem or 'done'}")
    return results


def write_batch(
    out: Path, results: Sequence[Done], different: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """Write ``batch.json`` and ``index.html`` into ``out``; returns what the former holds.

    Args:
        different: what is not as it must be, by recording, where that was checked.

    Raises OutputError.
    """
    facts, rows = [], []
    for result in results:
        known = result.summary
        one: dict[str, Any] = {
            "name": result.job.name,
            "recording": result.job.spec,
            "code": result.code,
            "problem": result.problem or None,
            "frames": known.get("frames", 0),
            "duration_s": known.get("duration_s"),
            "degraded": known.get("degraded", 0),
            "events": known.get("events", {}),
            "spoken": known.get("spoken", {}),
        }
        if different is not None:
            one["differences"] = different.get(result.job.name)
        facts.append(one)
        rows.append(
            [
                _link(out, result.job),
                result.problem or "done",
                f"{one['duration_s'] or 0.0:.1f} s",
                one["frames"],
                one["degraded"],
                one["events"].get("cue", 0),
                sum(one["spoken"].values()),
            ]
        )
    # 130 if interrupted, else the highest
    code = max((result.code for result in results), default=0)
    document = {"schema": SCHEMA, "code": code, "recordings": facts}
    page = render(
        "batch.html",
        title="sonar: recordings",
        complete=sum(result.code == 0 for result in results),
        heads=("Recording", "Result", "Length", "Frames", "Degraded", "Sounds", "Phrases"),
        rows=rows,
        differences=different,
    )
    write_json(out / FACTS, document)
    write_whole(out / PAGE, page)
    return document


def _link(out: Path, job: Job) -> str:
    for file in ("report.html", "annotated.mp4", "audio.wav"):
        if (job.out / file).is_file():
            target = quote(os.fsencode(f"{job.out.relative_to(out).as_posix()}/{file}"))
            return Markup('<a href="{}">{}</a>').format(target, job.name)
    return job.name
