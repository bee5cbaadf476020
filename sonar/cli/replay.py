"""``sonar replay`` and ``sonar demo``: a recording in, annotated video and sound out."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonar.cli.prepare import prepare
from sonar.cli.signals import stops, terminates
from sonar.cli.ui import Common, common, emit_json, note, progress, say
from sonar.config import SonarConfig

if TYPE_CHECKING:  # not every command's need
    from sonar.replay.batch import Job
    from sonar.replay.regression import Checks

INTERRUPTED = 130
DIFFERENT = 1  # what is heard is not what was, or not what must be


def replay(
    ctx: typer.Context,
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO...", help="video file, image or folder of images; or several videos"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the results")],
    realtime: Annotated[bool, typer.Option("--realtime", help="keep the recording's pace")] = False,
    no_video: Annotated[
        bool, typer.Option("--no-video", help="do not write annotated.mp4 (faster)")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="write report.html: a timeline beside the player")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=64, help="several videos: so many at a time")
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="several videos: skip those that are complete")
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", help="folder of an earlier run: fail where it sounds different"),
    ] = None,
    expect: Annotated[
        Path | None,
        typer.Option(
            "--expect",
            help='YAML list such as "between 3 s and 5 s: close, left", or one by recording',
        ),
    ] = None,
) -> None:
    """Process a recording: annotated video, sound, events.

    OUT gets annotated.mp4, audio.wav, events.jsonl, frames.jsonl and summary.json.

    Several videos, or a folder of videos: each into a folder of its own in OUT, with a summary
    page, index.html."""
    from sonar.replay.batch import find_videos, plan
    from sonar.replay.regression import read_checks

    found = find_videos(videos)
    planned = plan(found or videos, out)
    options = common(ctx)
    config = options.load("replay")
    prepare(config)
    checks = read_checks([job.name for job in planned], baseline, expect, config.speech)
    inputs = [Path(path) for path in options.configs] + [p for p in (baseline, expect) if p]
    if found is not None:
        inputs += [baseline / job.name for job in planned] if baseline else []
        made = _batch(
            options, planned, out, realtime, not no_video, report, jobs, resume, checks, inputs
        )
        if made:
            raise typer.Exit(made)
        return
    summary, code = _run(
        options,
        config,
        videos[0],
        out,
        realtime=realtime,
        video=not no_video,
        report=report,
        inputs=inputs,
    )
    if options.json:
        emit_json(summary)
    else:
        say(_headline(summary, out))
    if not code and checks.any:
        code = _note_differences(checks.differences(planned[0].name, out))
    if code:
        raise typer.Exit(code)


def demo(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the results")] = Path(
        "out/demo"
    ),
    silent: Annotated[bool, typer.Option("--silent", help="do not play the result")] = False,
) -> None:
    """Run the main job on the built-in clip.

    A walk past obstacles: seen, heard and told."""
    from sonar.demo import CLIP, MOUNT

    options = common(ctx)
    config = options.load("replay")
    prepare(config)
    if config.mount == SonarConfig().mount:  # unless the user says otherwise: as it was filmed
        config = config.model_copy(update={"mount": MOUNT})
    if not options.json:
        say("Walking through the built-in clip with the built-in depth model.")
    summary, code = _run(options, config, str(CLIP), out, realtime=False, video=True)
    if options.json:
        emit_json(summary)
    else:
        for line in _story(out / "events.jsonl"):
            say(line)
        say(_headline(summary, out))
        if not silent and not code:
            _play(out / "audio.wav", config)
    if code:
        raise typer.Exit(code)


def _note_differences(problems: list[str], name: str = "") -> int:
    """Report them, and give the exit code."""
    for problem in problems:
        note(problem)
    where = f" of {name}" if name else ""
    many = "" if len(problems) == 1 else "s"
    note(f"{len(problems)} difference{many} in what is heard{where}.")
    return DIFFERENT if problems else 0


def _batch(
    options: Common,
    planned: "list[Job]",
    out: Path,
    realtime: bool,
    video: bool,
    report: bool,
    jobs: int,
    resume: bool,
    checks: "Checks",
    inputs: Sequence[Path],
) -> int:
    from sonar.replay.batch import PAGE, Done, Options, run_batch, worst, write_batch
    from sonar.replay.folder import BATCH_FILES, REPLAY_FILES, output_folder, refuse_overwrite

    config = options.load("replay")
    prepare(config)

    def show(result: Done, done: int, total: int) -> None:
        how = result.problem or ("complete already" if result.resumed else "done")
        note(f"{done} of {total}: {result.job.spec}: {how}")

    reads: list[Path | str] = [*(job.spec for job in planned), *inputs]
    refuse_overwrite((job.out / name for job in planned for name in REPLAY_FILES), reads)
    with output_folder(out, reads) as folder:
        folder.claim(BATCH_FILES)
        with terminates():
            results = run_batch(
                planned,
                config,
                Options(video, report, realtime),
                workers=jobs,
                resume=resume,
                report=show,
                guard=stops,
                inputs=inputs,
            )
        different: dict[str, list[str]] | None = None
        code = worst(results)
        if checks.any:
            different = {}
            for result in results:
                if result.code == 0:
                    name = result.job.name
                    different[name] = checks.differences(name, result.job.out)
                    failed = _note_differences(different[name], name)
                    code = code or failed
        document = write_batch(out, results, different)
    if options.json:
        emit_json(document)
    else:
        good = sum(result.code == 0 for result in results)
        say(f"{good} of {len(results)} recordings done. See {out / PAGE}.")
    return code


def _run(
    options: Common,
    config: SonarConfig,
    spec: str,
    out: Path,
    *,
    realtime: bool,
    video: bool,
    report: bool = False,
    inputs: Sequence[Path] = (),
) -> tuple[dict[str, Any], int]:
    from sonar.replay.session import replay as process

    with progress(options, "replay") as advance:
        result = process(
            spec,
            out,
            config,
            realtime=realtime,
            video=video,
            report=report,
            progress=advance,
            guard=stops,
            inputs=inputs,
        )
    speech = result.summary["speech"]
    if speech.get("lost"):
        note(f"speech is missing: {speech['lost']}")
    if result.outcome.interrupted:
        return result.summary, INTERRUPTED
    if result.outcome.error is not None:
        note(f"sonar: {result.outcome.error}")
        return result.summary, result.outcome.error.exit_code
    return result.summary, 0


def _headline(summary: dict[str, Any], out: Path) -> str:
    """One sentence: how far it came and where the files are."""
    reached = summary["duration_s"] or 0.0
    names = ", ".join(sorted(f.name for f in out.iterdir() if not f.name.startswith(".")))
    if summary["complete"]:
        return f"{summary['frames']} frames, {reached:.1f} s done. In {out}: {names}."
    return (
        f"Stopped after {summary['frames']} frames ({reached:.1f} s); what was done until then "
        f"is in {out}: {names}."
    )


def _story(events: Path) -> list[str]:
    """What was heard, in words, from the event log."""
    lines = []
    for line in events.read_text("utf-8").splitlines():
        event = json.loads(line)
        t = max(0.0, event["t"])
        if event["kind"] == "speech":
            lines.append(f'{t:5.1f} s  spoken: "{event["text"]}"')
        elif event["kind"] == "cue" and event["name"] != "silence":
            lines.append(f"{t:5.1f} s  sound:  {event['why'] or event['name']}")
    return lines


def _play(wav: Path, config: SonarConfig) -> None:
    from sonar.audio.output.playback import play_wav
    from sonar.errors import DeviceError

    try:
        say(f"Played on {play_wav(wav, config.audio)}.")
    except DeviceError as error:
        note(f"Not played: {error}")
