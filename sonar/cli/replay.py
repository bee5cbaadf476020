"""``sonar replay`` and ``sonar demo``: a recording in, annotated video and sound out."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from sonar.cli.process import stops, terminates
from sonar.cli.ui import INTERRUPTED, Out, note, options, say
from sonar.config import SonarConfig
from sonar.errors import DeviceError

if TYPE_CHECKING:  # not every command's need
    from sonar.replay.regression import Checks

DIFFERENT = 1  # what is heard is not what was, or not what must be


def replay(
    videos: Annotated[list[str], Argument(metavar="VIDEO...", help="videos, image, or folder")],
    out: Out,
    realtime: Annotated[bool, Option("--realtime", help="keep the recording's pace")] = False,
    no_video: Annotated[bool, Option("--no-video", help="no annotated.mp4 (faster)")] = False,
    report: Annotated[bool, Option("--report", help="write report.html, a timeline")] = False,
    baseline: Annotated[Path | None, Option(help="earlier run that must sound the same")] = None,
    expect: Annotated[
        Path | None, Option(help="YAML list: between 3 s and 5 s: close, left")
    ] = None,
) -> None:
    """Process a recording: annotated video, sound, events.

    OUT gets annotated.mp4, audio.wav, events.jsonl, frames.jsonl and summary.json.

    Several videos, or a folder of videos: each into a folder of its own in OUT, with a summary
    page, index.html; --expect may hold one list for each by name."""
    from sonar.replay.batch import find_videos, plan
    from sonar.replay.regression import read_checks

    found = find_videos(videos)
    planned = plan(found or videos)
    config = options.ready("replay")
    checks = read_checks([*planned], baseline, expect, config.speech)
    inputs = [Path(path) for path in options.configs] + [p for p in (baseline, expect) if p]
    how: dict[str, Any] = {"video": not no_video, "report": report, "realtime": realtime}
    if found is None:
        summary, code = _one(config, videos[0], out, how, inputs)
        options.answer(summary, [_headline(summary, out)])
        if not code and checks is not None:
            code = DIFFERENT if _differences(checks, next(iter(planned)), out) else 0
    else:
        inputs += [baseline / name for name in planned] if baseline else []
        code = _batch(config, planned, out, how, checks, inputs)
    if code:
        raise typer.Exit(code)


def demo(
    out: Out = Path("out/demo"),
    silent: Annotated[bool, Option("--silent", help="do not play the result")] = False,
) -> None:
    """Run the main job on the built-in clip.

    A walk past obstacles: seen, heard and put into words."""
    from sonar.audio.output.device import play_wav
    from sonar.demo import CLIP, MOUNT

    config = options.ready("replay")
    if config.mount == SonarConfig().mount:  # unless the user says otherwise: as it was filmed
        config = config.model_copy(update={"mount": MOUNT})
    summary, code = _one(config, str(CLIP), out, {})
    options.answer(summary, [*_story(out), _headline(summary, out)])
    if code:
        raise typer.Exit(code)
    if not silent and not options.json:
        try:
            say(f"Played on {play_wav(out / 'audio.wav', config.audio)}.")
        except DeviceError as error:
            note(f"Not played: {error}")


def _one(
    config: SonarConfig, spec: str, out: Path, how: Mapping[str, Any], inputs: Sequence[Path] = ()
) -> tuple[dict[str, Any], int]:
    """Replay ``spec``: the summary and the exit code."""
    from sonar.replay import replay as process

    progress = options.progress("replay")
    result = process(spec, out, config, progress=progress, guard=stops, inputs=inputs, **how)
    if problem := result.summary["speech"].get("lost"):
        note(f"speech is missing: {problem}")
    code, error = 0, result.outcome.error
    if result.outcome.interrupted:
        code = INTERRUPTED
    elif error is not None:
        note(f"sonar: {error}")
        code = error.exit_code
    return result.summary, code


def _batch(
    config: SonarConfig,
    planned: Mapping[str, str],
    out: Path,
    how: Mapping[str, Any],
    checks: "Checks | None",
    inputs: Sequence[Path],
) -> int:
    from sonar.replay import output_folder, refuse_overwrite
    from sonar.replay import replay as process
    from sonar.replay.batch import FILES, PAGE, run_batch, write_batch
    from sonar.replay.folder import REPLAY_FILES

    reads: list[Path | str] = [*planned.values(), *inputs]
    refuse_overwrite((out / name / file for name in planned for file in REPLAY_FILES), reads)
    with output_folder(out, reads) as folder:
        folder.claim(FILES)
        with terminates():
            one = partial(process, config=config, guard=stops, inputs=reads, **how)
            done = run_batch(planned, out, one, note)
        different: dict[str, list[str]] | None = None
        if checks is not None:
            whole = [one["name"] for one in done if one["code"] == 0]
            different = {name: _differences(checks, name, out / name) for name in whole}
        document = write_batch(out, done, different)
    good = sum(one["code"] == 0 for one in done)
    options.answer(document, [f"{good} of {len(done)} recordings done. See {out / PAGE}."])
    return document["code"] or (DIFFERENT if any((different or {}).values()) else 0)


def _differences(checks: "Checks", name: str, folder: Path) -> list[str]:
    """What is heard in the run in ``folder`` and must not be, or the other way; noted too."""
    problems = checks.differences(name, folder)
    for problem in problems:
        note(problem)
    many = "" if len(problems) == 1 else "s"
    note(f"{len(problems)} difference{many} in what is heard of {name}.")
    return problems


def _headline(summary: dict[str, Any], out: Path) -> str:
    """One sentence: how far it came and where the files are."""
    reached = f"{summary['frames']} frames, {summary['duration_s'] or 0.0:.1f} s"
    names = ", ".join(sorted(f.name for f in out.iterdir() if not f.name.startswith(".")))
    if summary["complete"]:
        return f"{reached} done. In {out}: {names}."
    return f"Stopped after {reached}; what was done until then is in {out}: {names}."


def _story(out: Path) -> Iterator[str]:
    """What was heard, in words, from the event log."""
    from sonar.replay.regression import heard, read_events

    for event in heard(read_events(out)):
        words = f'"{event.text}"' if event.text else event.why or event.name
        yield f"{max(0.0, event.t):5.1f} s  {words}"
