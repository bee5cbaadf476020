"""``sonar calibrate``: how the camera sits, with printed and spoken guidance.

The angles come from :func:`sonar.zones.estimate_mount`. Height and field of view cannot be
measured from the frames of one camera: they are given.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import yaml
from typer import Argument, Option

from sonar.cli.ui import OutOrNone, as_sets, note, options, voice
from sonar.config import MountConfig
from sonar.errors import ConfigError, SourceError
from sonar.files import atomic_path
from sonar.records import Step

if TYPE_CHECKING:  # not every command's need
    from sonar.types import DepthMap
    from sonar.zones import MountEstimate

WAIT_S = 10.0  # longest wait for the first frame of a camera
GOOD_QUALITY = 0.5


def calibrate(
    source: Annotated[str, Argument(help="camera or stream")] = "0",
    recording: Annotated[str | None, Option("--from", help="a recording instead")] = None,
    height: Annotated[float | None, Option(help="meters above the ground")] = None,
    hfov: Annotated[float | None, Option(help="field of view, degrees")] = None,
    seconds: Annotated[float, Option(min=2, max=120)] = 15.0,
    out: OutOrNone = None,
) -> None:
    """Find how the camera sits: its tilt and roll.

    --out names a YAML file for --config; --hfov is the horizontal field of view.
    Stand in a free corridor or on an open floor, or walk slowly; nothing should be near.
    """
    from sonar import app
    from sonar.audio.output.sinks import UnheardSink
    from sonar.clock import SystemClock
    from sonar.zones import estimate_mount, judge, subsample

    config = options.ready(own=as_sets(mount__height_m=height, mount__hfov_deg=hfov))
    if out is not None and out.exists():
        raise ConfigError(f"{out} exists already; name another file, or remove it")
    clock = SystemClock()
    camera = app.open_source(recording or source, config, clock)
    pipeline = app.assemble(config, camera, lambda _: UnheardSink(), spoken=False).pipeline
    with ExitStack() as stack:
        stack.enter_context(closing(pipeline))
        steps = stack.enter_context(closing(pipeline.steps()))
        if recording is None:  # somebody stands before the camera
            mixer, sink, _ = stack.enter_context(voice(config.audio, config.speech))

        def guide(key: str, text: str) -> None:
            note(text)
            if recording is None:
                mixer.announce(None, key)
                sink.drain(3.0)

        guide("calibrate_begin", "Face a free way ahead: an empty corridor or an open floor.")
        guide("calibrate_hold", "Stand still, or walk slowly.")
        deadline_s = clock.now() + seconds + WAIT_S
        depths: list[DepthMap] = []
        blind: Counter[str] = Counter()
        first: Step | None = None
        advance = options.progress("look")
        for step in steps:
            if camera.live and clock.now() > deadline_s:
                break
            if not isinstance(step, Step):
                continue
            first = first or step
            spent_s = step.frame.t - first.frame.t
            if spent_s > seconds:
                break
            advance(round(10 * spent_s), round(10 * seconds))
            if reason := judge(subsample(step.frame.image)):
                blind[reason] += 1
            elif step.depth is not None and step.frame.image.shape == first.frame.image.shape:
                depths.append(step.depth)
        if pipeline.outcome.error is not None:
            raise pipeline.outcome.error
        if first is None or not depths:
            why = blind.most_common(1)[0][0] if blind else "nothing came"
            raise SourceError(f"{camera.label} gave no frame to calibrate with ({why})")
        rows, columns, _ = first.frame.image.shape
        found = estimate_mount(depths, (rows, columns), config.mount)
        if found is None:
            guide("calibrate_failed", "No floor was found; nothing is written.")
            raise SourceError("too few frames show enough free floor to calibrate with")
        mount = found.applied_to(config.mount)
        if out is not None:
            values = {"mount": mount.model_dump(mode="json", exclude_defaults=True)}
            head = f"# Written by `sonar calibrate`; quality {found.quality:.2f} of 1.\n"
            with atomic_path(out) as temporary:
                temporary.write_text(head + yaml.safe_dump(values, sort_keys=False), "utf-8")
        if found.quality >= GOOD_QUALITY:
            guide("calibrate_good", "Done.")
        else:
            guide("calibrate_poor", "Done, but only roughly: better do it again.")
    facts = {"mount": mount.model_dump(mode="json"), **asdict(found)}
    options.answer(facts, _lines(mount, found, out))


def _lines(mount: MountConfig, found: "MountEstimate", out: Path | None) -> Iterator[str]:
    again = "" if found.quality >= GOOD_QUALITY else ": do it again with more free floor"
    pitch, roll, sigma = mount.pitch_deg, mount.roll_deg, mount.angle_sigma_deg
    yield f"pitch {pitch:.1f} degrees down, roll {roll:.1f} degrees (give or take {sigma:.1f})."
    used = f"{found.frames_used} of {found.frames}"
    yield f"From {used} frames; quality {found.quality:.2f} of 1{again}."
    if mount.height_m is None:
        yield "The height is not known (--height): distances are not announced in meters."
    if mount.hfov_deg is None and mount.fx_px is None:
        yield "The field of view is not known (--hfov): 62 degrees assumed."
    if out is not None:
        yield f"Written to {out}; use it with --config {out}."
