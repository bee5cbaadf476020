"""``sonar config``, and ``sonar doctor`` and ``sonar devices``: what this machine has."""

from contextlib import closing
from dataclasses import asdict

import typer

from sonar.cli.ui import emit_json, options, result
from sonar.config import SonarConfig
from sonar.errors import DeviceError, ModelError, SonarError

app = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)


@app.command()
def show() -> None:
    """Check the configuration, and print what is in force.

    File, environment and --set are applied. Exit code 2 and one sentence where it is wrong."""
    from sonar.config.load import dump_config

    config = options.load()
    if options.json:
        emit_json(config.model_dump(mode="json"))
    else:
        result(dump_config(config).rstrip())


def doctor() -> None:
    """Check camera, sound, speech and model; say what to do."""
    config = options.load()
    findings = []
    for name, check, without in (
        ("model", _model, ""),
        ("sound", _sound, " Recordings still get their sound as a file."),
        ("speech", _speech, " Tones work without it."),
        ("camera", _camera, " Recordings and streams work without it."),
    ):
        try:
            ok, text = True, check(config)
        except SonarError as error:
            ok, text = False, f"{str(error).rstrip('.')}.{without}"
        findings.append({"name": name, "ok": ok, "text": text, "essential": name == "model"})
    lines = (f"{f['name']}: {'OK' if f['ok'] else 'MISSING'}. {f['text']}" for f in findings)
    options.answer(findings, lines)
    if not findings[0]["ok"]:
        raise typer.Exit(ModelError.exit_code)


def _model(config: SonarConfig) -> str:
    import numpy as np

    from sonar.app import open_engine
    from sonar.types import Frame

    with closing(open_engine(config)) as engine:
        noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
        engine.estimate(Frame(noise, 0, 0.0))
        return f"{engine.label} runs."


def _sound(config: SonarConfig) -> str:
    from sonar.audio.output.device import choose_output, list_outputs

    return f"Output: {choose_output(list_outputs(), config.audio.device).name}."


def _speech(config: SonarConfig) -> str:
    from sonar.audio.speech.bank import SpeechBank

    if not config.speech.enabled:
        return "Switched off in the configuration."
    with closing(SpeechBank(config.speech, config.audio.rate_hz)) as bank:
        bank.prepare()
        status = bank.status
    if status.lost or not status.ready:
        raise DeviceError(status.lost or "No phrase could be rendered")
    return f"{status.ready} of {status.total} phrases are ready."


def _camera(_config: SonarConfig) -> str:
    from sonar.capture import list_cameras

    names = ", ".join(f"{camera.path} ({camera.name})" for camera in list_cameras())
    if not names:
        raise DeviceError("None found: plug one in and check that you are in the group video")
    return f"Found {names}."


def devices() -> None:
    """List cameras and sound outputs."""
    from sonar.audio.output.device import list_outputs
    from sonar.capture import list_cameras

    cameras = list_cameras()
    outputs, trouble = [], None
    try:
        outputs = list_outputs()
    except SonarError as error:
        trouble = str(error)
    lines = [f"camera {camera.path}: {camera.name}" for camera in cameras] or ["no camera found"]
    for output in outputs:
        default = " (default)" if output.default else ""
        lines.append(f"output {output.index}: {output.name}{default}")
    if not outputs:
        lines.append(f"no sound output found{f' ({trouble})' if trouble else ''}")
    found = {"cameras": [*map(asdict, cameras)], "outputs": [*map(asdict, outputs)]}
    options.answer({**found, "trouble": trouble}, lines)
