"""``sonar calibrate``: how the camera sits, with printed and spoken guidance."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonar.cli.prepare import prepare
from sonar.cli.ui import common, emit_json, note, progress, say
from sonar.config import MountConfig, SonarConfig
from sonar.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from sonar.cli.calibration import Calibration

Guide = Callable[[str, str], None]


def calibrate(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="camera or stream")] = "0",
    recording: Annotated[
        str | None, typer.Option("--from", help="a recording, instead of a camera")
    ] = None,
    height: Annotated[
        float | None, typer.Option("--height", help="of the camera above the ground, metres")
    ] = None,
    hfov: Annotated[
        float | None, typer.Option("--hfov", help="horizontal field of view, degrees")
    ] = None,
    board: Annotated[
        str | None,
        typer.Option("--board", help="inner corners of a printed chessboard, such as 9x6"),
    ] = None,
    distance: Annotated[
        float | None,
        typer.Option("--distance", help="metres to the thing straight ahead, measured: a check"),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=2, max=120)] = 15.0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="YAML file to write the mount to")
    ] = None,
) -> None:
    """Find how the camera sits: its tilt and roll.

    Height and field of view are checked where something is known.

    Stand in a free corridor or on an open floor, or walk slowly; nothing should be near.
    """
    from sonar import app
    from sonar.cli import calibration as room
    from sonar.clock import SystemClock

    options = common(ctx)
    config = options.load()
    prepare(config)
    known = _known(config.mount, height, hfov)
    corners = _corners(board)
    if out is not None and out.exists():
        raise ConfigError(f"{out} exists already; name another file, or remove it")
    clock = SystemClock()
    frames_from = app.open_source(recording or source, config, clock)
    with _voice(config, spoken=recording is None) as guide:
        guide("calibrate_begin", "Face a free way ahead: an empty corridor or an open floor.")
        frames_from.open()
        try:
            guide("calibrate_hold", "Stand still, or walk slowly.")
            with progress(options, "look") as advance:
                frames = room.record(frames_from, clock, seconds, advance)
        finally:
            frames_from.close()
        engine = app.open_engine(config)
        try:
            with progress(options, "measure") as advance:
                found = room.calibrate(
                    frames, engine, config, known,
                    board=corners, distance_m=distance, advance=advance,
                )  # fmt: skip
        finally:
            engine.close()
        if found is None:
            guide("calibrate_failed", "No floor was found; nothing is written.")
            raise SourceError("too few pictures show enough free floor to calibrate with")
        if out is not None:
            room.write_mount(out, found)
        quality = "calibrate_good" if found.good else "calibrate_poor"
        guide(quality, "Done." if found.good else "Done, but only roughly: better do it again.")
    if options.json:
        emit_json(_facts(found, distance))
    else:
        for line in _story(found, distance, out):
            say(line)


def _known(mount: MountConfig, height: float | None, hfov: float | None) -> MountConfig:
    given = {"height_m": height, "hfov_deg": hfov}
    changes = {key: value for key, value in given.items() if value is not None}
    try:
        return MountConfig.model_validate(mount.model_dump() | changes)
    except ValueError as error:
        raise ConfigError("--height is in metres and --hfov in degrees, 10 to 170") from error


def _corners(board: str | None) -> tuple[int, int] | None:
    if board is None:
        return None
    columns, _, rows = board.lower().partition("x")
    if not (columns.isdecimal() and rows.isdecimal() and min(int(columns), int(rows)) >= 3):
        raise ConfigError(f"--board is inner corners such as 9x6, not {board!r}")
    return int(columns), int(rows)


@contextmanager
def _voice(config: SonarConfig, *, spoken: bool) -> Iterator[Guide]:
    """Prints each step, and speaks it where somebody stands before the camera."""
    if not spoken:
        yield lambda _key, text: note(text)
        return

    from sonar import app
    from sonar.audio.speech.bank import SpeechBank
    from sonar.audio.synthesis import Mixer
    from sonar.clock import SystemClock

    with ExitStack() as stack:
        bank = stack.enter_context(closing(SpeechBank(config.speech, config.audio.rate_hz)))
        bank.prepare()
        mixer = Mixer(config.audio, config.speech, bank)
        sink = stack.enter_context(closing(app.device_sink(config, SystemClock())(mixer)))
        sink.start()

        def guide(key: str, text: str) -> None:
            note(text)
            mixer.announce(None, key)
            sink.drain(3.0)

        yield guide


def _story(found: "Calibration", distance_m: float | None, out: Path | None) -> list[str]:
    mount, estimate = found.mount, found.estimate
    lines = [
        f"pitch {mount.pitch_deg:.1f} degrees down, roll {mount.roll_deg:.1f} degrees "
        f"(give or take {mount.angle_sigma_deg:.1f}).",
        f"From {estimate.frames_used} of {estimate.frames} pictures; quality "
        f"{estimate.quality:.2f} of 1{'' if found.good else ': do it again with more free floor'}.",
    ]
    if mount.height_m is None:
        lines.append("The height is not known (--height): no metres will be told.")
    if found.boards:
        lines.append(
            f"Lens from {found.boards} chessboards, {found.board_error_px:.2f} pixels off."
        )
    elif mount.hfov_deg is None and mount.fx_px is None:
        lines.append("The field of view is not known (--hfov or --board): 62 degrees assumed.")
    if distance_m is not None:
        lines.append(_check(found, distance_m))
    if out is not None:
        lines.append(f"Written to {out}; use it with --config {out}.")
    return lines


def _check(found: "Calibration", distance_m: float) -> str:
    if found.reported_m is None:
        return f"Nothing was seen straight ahead to compare with {distance_m:g} m."
    share = found.reported_m / distance_m - 1
    verdict = "agrees" if abs(share) <= 0.15 else "does not agree: check --height and --hfov"
    return (
        f"{distance_m:g} m ahead is reported as {found.reported_m:.2f} m ({share:+.0%}): {verdict}."
    )


def _facts(found: "Calibration", distance_m: float | None) -> dict[str, object]:
    estimate = found.estimate
    return {
        "mount": found.mount.model_dump(mode="json"),
        "pitch_spread_deg": round(estimate.pitch_spread_deg, 3),
        "roll_spread_deg": round(estimate.roll_spread_deg, 3),
        "frames": estimate.frames,
        "frames_used": estimate.frames_used,
        "quality": round(estimate.quality, 3),
        "boards": found.boards,
        "board_error_px": found.board_error_px,
        "distance_m": distance_m,
        "reported_m": found.reported_m,
    }
