"""Many recordings, one after the other, each into a folder of its own, with a summary page."""

import logging
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sonar.errors import ConfigError, SonarError, SourceError
from sonar.files import json_text, printable
from sonar.replay.folder import LIST, write_whole
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
FILES = PAGE, FACTS = "index.html", "batch.json"
SCHEMA = "sonar.batch/1"
INTERRUPTED = 130
_BESIDE_SUFFIXES = frozenset((".yaml", ".yml", ".json", ".jsonl", ".txt", ".md", ".srt"))
_log = logging.getLogger(__name__)


def find_videos(specs: Sequence[str]) -> list[str] | None:
    """The recordings that ``specs`` name: files, and the videos in folders, by name.

    None where there is one that is not a folder of videos: that is a run, not a batch.
    """
    found = [_videos_in(Path(spec)) or [spec] for spec in specs]
    return None if found == [[*specs]] else [video for videos in found for video in videos]


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
        _log.warning("%d files left out of %s, such as %s.", len(others), path, names)
    return [str(video) for video in videos]


def plan(specs: Sequence[str]) -> dict[str, str]:
    """Recordings by the name of their folder: their own, or with a number where that is taken.

    Raises ConfigError when one is named twice.
    """
    jobs: dict[str, str] = {}
    taken, seen = {*FILES, LIST}, set[str]()
    for spec in specs:
        # ".." gets the folder's name, and a link keeps its own.
        if (whole := os.path.abspath(spec)) in seen:  # noqa: PTH100
            raise ConfigError(f"{spec} is named twice.")
        seen.add(whole)
        stem = Path(whole).stem or "recording"
        name, number = stem, 1
        # Some disks take names for one that differ in case, or in how accents are coded.
        while (folded := unicodedata.normalize("NFC", name).casefold()) in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(folded)
        jobs[name] = spec
    return jobs


def run_batch(
    jobs: Mapping[str, str],
    out: Path,
    replay: Callable[[str, Path], ReplayResult],
    report: Callable[[str], None],
) -> list[dict[str, Any]]:
    """``replay`` every recording; what goes wrong with one costs that one only.

    After an interruption, the rest counts as interrupted.

    Args:
        jobs: from :func:`plan`; each gets its folder in ``out``.
        replay: recording and folder to result; see :func:`sonar.replay.replay`.
        report: called with one line as each ends.

    Returns:
        What ``batch.json`` holds of each; ``code`` is its exit code.
    """
    done: list[dict[str, Any]] = []
    code = 0
    for name, spec in jobs.items():
        problem, summary = "not started", dict[str, Any]()
        if code != INTERRUPTED:
            code, problem, summary = _run(partial(replay, spec, out / name))
            report(f"{len(done) + 1} of {len(jobs)}: {spec}: {problem or 'done'}")
        done.append(
            {
                "name": name,
                "recording": spec,
                "code": code,
                "problem": problem or None,
                "frames": summary.get("frames", 0),
                "duration_s": summary.get("duration_s"),
                "degraded": summary.get("degraded", 0),
                "events": summary.get("events", {}),
                "spoken": summary.get("spoken", {}),
            }
        )
    return done


def _run(replay: Callable[[], ReplayResult]) -> tuple[int, str, dict[str, Any]]:
    """Exit code, what went wrong, and the summary."""
    try:
        result = replay()
    except KeyboardInterrupt:  # before its frames
        return INTERRUPTED, "interrupted", {}
    except SonarError as error:
        return error.exit_code, str(error), {}
    except Exception as error:  # a fault of ours costs this recording, not the others
        _log.exception("a replay failed")
        return 1, f"{type(error).__name__}: {error}", {}
    if result.outcome.interrupted:
        return INTERRUPTED, "interrupted", result.summary
    if result.outcome.error is not None:
        return result.outcome.error.exit_code, str(result.outcome.error), result.summary
    return 0, "", result.summary


def write_batch(
    out: Path,
    done: Sequence[dict[str, Any]],
    different: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Write ``batch.json`` and ``index.html`` into ``out``; returns what the former holds.

    Args:
        done: from :func:`run_batch`.
        different: what is not as it must be, by recording, where that was checked.

    Raises OutputError.
    """
    if different is not None:
        done = [one | {"differences": different.get(one["name"])} for one in done]
    code = max((one["code"] for one in done), default=0)  # 130 if interrupted, else the highest
    document = {"schema": SCHEMA, "code": code, "recordings": done}
    page = render(
        "batch.html",
        title="sonar: recordings",
        recordings=done,
        links={one["name"]: link for one in done if (link := _link(out, one["name"]))},
        differences=different,
    )
    write_whole(out / FACTS, json_text(document))
    write_whole(out / PAGE, page)
    return document


def _link(out: Path, name: str) -> str | None:
    """The address of the best that there is of a recording."""
    for file in ("report.html", "annotated.mp4", "audio.wav"):
        if (out / name / file).is_file():
            return quote(os.fsencode(f"{name}/{file}"))
    return None
