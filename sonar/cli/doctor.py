"""``sonar doctor`` and ``sonar devices``: what this machine has, and what to do about the rest."""

from contextlib import closing
from dataclasses import asdict, dataclass

import typer

from sonar.cli.ui import common, emit_json, say
from sonar.config import SonarConfig
from sonar.errors import SonarError


@dataclass
class Finding:
    """One thing looked at. ``essential`` ones decide the exit code."""

    name: str
    ok: bool
    text: str
    essential: bool = False


def doctor(ctx: typer.Context) -> None:
    """Check camera, sound, speech and model; say what to do."""
    options = common(ctx)
    config = options.load()
    findings = [_model(config), _sound(config), _speech(config), _camera()]
    if options.json:
        emit_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{finding.name}: {'OK' if finding.ok else 'MISSING'}. {finding.text}")
    if any(finding.essential and not finding.ok for finding in findings):
        raise typer.Exit(5)


def devices(ctx: typer.Context) -> None:
    """List cameras and sound outputs."""
    from sonar.audio.output.portaudio import list_outputs
    from sonar.capture import list_cameras

    options = common(ctx)
    cameras = list_cameras()
    try:
        outputs = list_outputs()
        trouble = None
    except SonarError as error:
        outputs, trouble = [], str(error)
    if options.json:
        emit_json(
            {
                "cameras": [asdict(camera) for camera in cameras],
                "outputs": [asdict(output) for output in outputs],
                "trouble": trouble,
            }
        )
        return
    for camera in cameras:
        say(f"camera {camera.path}: {camera.name}")
    if not cameras:
        say("no camera found")
    for output in outputs:
        say(f"output {output.index}: {output.name}{' (default)' if output.default else ''}")
    if not outputs:
        say(f"no sound output found{f' ({trouble})' if trouble else ''}")


def _model(config: SonarConfig) -> Finding:
    import numpy as np

    from sonar.app import open_engine
    from sonar.types import Frame

    try:
        engine = open_engine(config)
        try:
            picture = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
            engine.estimate(Frame(picture, 0, 0.0))
            return Finding("model", True, f"{engine.label} runs.", essential=True)
        finally:
            engine.close()
    except SonarError as error:
        return Finding("model", False, str(error), essential=True)


def _sound(config: SonarConfig) -> Finding:
    from sonar.audio.output.portaudio import choose_output, list_outputs

    otherwise = "Recordings still get their sound as a file."
    try:
        chosen = choose_output(list_outputs(), config.audio.device)
    except SonarError as error:
        return Finding("sound", False, f"{error}. {otherwise}")
    if chosen is None:
        return Finding("sound", False, f"No output found: plug in headphones. {otherwise}")
    return Finding("sound", True, f"Output: {chosen.name}.")


def _speech(config: SonarConfig) -> Finding:
    from sonar.audio.speech.bank import SpeechBank

    if not config.speech.enabled:
        return Finding("speech", True, "Switched off in the configuration.")
    with closing(SpeechBank(config.speech, config.audio.rate_hz)) as bank:
        bank.prepare()
        status = bank.status
    if status.lost:
        return Finding("speech", False, f"{status.lost}. Tones work without it.")
    return Finding(
        "speech", status.ready > 0, f"{status.ready} of {status.total} phrases are ready."
    )


def _camera() -> Finding:
    from sonar.capture import list_cameras

    cameras = list_cameras()
    if cameras:
        names = ", ".join(f"{camera.path} ({camera.name})" for camera in cameras)
        return Finding("camera", True, f"Found {names}.")
    return Finding(
        "camera",
        False,
        "None found: plug one in and check that you are in the group video; recordings and "
        "streams work without.",
    )
