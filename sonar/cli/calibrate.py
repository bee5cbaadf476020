"""``sonar calibrate``: how the camera sits, with printed and spoken guidance.

The angles come from :func:`sonar.zones.estimate_mount`. Height and field of view cannot be
measured from the frames of one camera: they are given.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import yaml
from typer import Argument, Option

from sonar.cli.ui import Advance, OutOrNone, as_sets, common, note
from sonar.config import MountConfig, SonarConfig
from sonar.errors import ConfigError, SourceError, SourceTimeout
from sonar.files import atomic_path

if TYPE_CHECKING:  # not every command's need
    from sonar.ports import Clock, FrameSource
    from sonar.types import Frame
    from sonar.zones import MountEstimate

MOST_FRAMES = 120
GOOD_QUALITY = 0.5


def calibrate(
    source: Annotated[str, Argument(help="camera or stream")] = "0",
    recording: Annotated[str | None, Option("--from", help="a recording instead")] = None,
    height: Annotated[float | None, Option("--height", help="meters above the ground")] = None,
    hfov: Annotated[float | None, Option("--hfov", help="field of view, degrees")] = None,
    seconds: Annotated[float, Option("--seconds", min=2, max=120)] = 15.0,
    out: OutOrNone = None,
) -> None:
    """Find how the camera sits: its tilt and roll.

    --out names a YAML file for --config; --hfov is the horizontal field of view.
    Stand in a free corridor or on an open floor, or walk slowly; nothing should be near.
    """
    from sonar import app
    from sonar.clock import SystemClock
    from sonar.zones import estimate_mount

    options = common()
    config = options.ready(own=as_sets(mount__height_m=height, mount__hfov_deg=hfov))
    mount = config.mount
    _refuse_existing(out)
    clock = SystemClock()
    camera = app.open_source(recording or source, config, clock)
    with _voice(config, spoken=recording is None) as guide:
        guide("calibrate_begin", "Face a free way ahead: an empty corridor or an open floor.")
        with closing(camera):
            camera.open()
            guide("calibrate_hold", "Stand still, or walk slowly.")
            frames = record(camera, clock, seconds, options.progress("look"))
        depths = []
        advance = options.progress("measure")
        with closing(app.open_engine(config)) as engine:
            for frame in frames:
                depths.append(engine.estimate(frame))
                advance(len(depths), len(frames))
        height_px, width_px, _ = frames[0].image.shape
        found = estimate_mount(depths, (height_px, width_px), mount)
        if found is None:
            guide("calibrate_failed", "No floor was found; nothing is written.")
            raise SourceError("too few frames show enough free floor to calibrate with")
        mount = found.applied_to(mount)
        if out is not None:
            _refuse_existing(out)
            _write(out, mount, found)
        if found.quality >= GOOD_QUALITY:
            guide("calibrate_good", "Done.")
        else:
            guide("calibrate_poor", "Done, but only roughly: better do it again.")
    facts = {"mount": mount.model_dump(mode="json"), **asdict(found)}
    options.answer(facts, _lines(mount, found, out))


def record(
    source: "FrameSource", clock: "Clock", seconds: float, advance: Advance
) -> "list[Frame]":
    """Up to ``MOST_FRAMES`` frames of one size from an open source, spread over ``seconds``.

    A recording is read to its end, or for ``seconds`` of its own time. Raises SourceError when
    nothing came, or only frames that show nothing (dark, covered, blank ...).
    """
    from sonar.zones import judge, subsample

    frames: list[Frame] = []
    begin_s, deadline_s = None, clock.now() + seconds + 10.0
    while clock.now() < deadline_s:
        try:
            frame = source.read(1.0)
        except SourceTimeout:
            continue
        if frame is None:
            break
        begin_s = frame.t if begin_s is None else begin_s
        if frame.t - begin_s > seconds:
            break
        if not frames or frame.t - frames[-1].t >= seconds / MOST_FRAMES:
            frames.append(frame)
            advance(min(len(frames), MOST_FRAMES), MOST_FRAMES)
    blind = [judge(subsample(frame.image)) for frame in frames]
    clear = [frame for frame, reason in zip(frames, blind, strict=True) if reason is None]
    if not clear:
        why = Counter(blind).most_common(1)[0][0] if blind else "nothing came"
        raise SourceError(f"{source.label} gave no frame to calibrate with ({why})")
    return [frame for frame in clear if frame.image.shape == clear[0].image.shape]


def _refuse_existing(path: Path | None) -> None:
    if path is not None and path.exists():
        raise ConfigError(f"{path} exists already; name another file, or remove it")


@contextmanager
def _voice(config: SonarConfig, *, spoken: bool) -> Iterator[Callable[[str, str], None]]:
    """A function that prints each step, and speaks it where somebody stands before the camera."""
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


def _write(path: Path, mount: MountConfig, found: "MountEstimate") -> None:
    """A YAML file for ``--config``, with how good it is. Raises OutputError."""
    values = mount.model_dump(mode="json", exclude_defaults=True)
    text = (
        "# Written by `sonar calibrate`.\n"
        f"# From {found.frames_used} of {found.frames} frames; single frames vary by "
        f"{found.pitch_spread_deg:.1f} (pitch) and {found.roll_spread_deg:.1f} (roll) degrees; "
        f"quality {found.quality:.2f} of 1.\n" + yaml.safe_dump({"mount": values}, sort_keys=False)
    )
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")


def _lines(mount: MountConfig, found: "MountEstimate", out: Path | None) -> Iterator[str]:
    again = "" if found.quality >= GOOD_QUALITY else ": do it again with more free floor"
    yield (
        f"pitch {mount.pitch_deg:.1f} degrees down, roll {mount.roll_deg:.1f} degrees "
        f"(give or take {mount.angle_sigma_deg:.1f})."
    )
    yield (
        f"From {found.frames_used} of {found.frames} frames; quality {found.quality:.2f} of 1"
        f"{again}."
    )
    if mount.height_m is None:
        yield "The height is not known (--height): distances are not announced in meters."
    if mount.hfov_deg is None and mount.fx_px is None:
        yield "The field of view is not known (--hfov): 62 degrees assumed."
    if out is not None:
        yield f"Written to {out}; use it with --config {out}."
