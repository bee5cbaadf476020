"""The Gradio page: photo, video, a running sonar, settings.

Nothing is loaded from elsewhere and nothing is sent anywhere: local fonts, no analytics. What is
uploaded lies in a private folder and is deleted by Gradio after ten minutes, what comes of it when
newer results need the place, everything at the end.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from starlette.middleware import Middleware

from sonar.config import SonarConfig
from sonar.errors import ConfigError, SonarError, SourceError
from sonar.replay.report import NAME as REPORT
from sonar.replay.report import SAFETY
from sonar.replay.video import NAME as VIDEO
from sonar.web import show
from sonar.web.gate import Gate
from sonar.web.live import live_tab
from sonar.web.photo import Photographer
from sonar.web.video import watch

Load = Callable[[list[str]], SonarConfig]  # more settings ("key=value") -> the configuration

_FIELDS = {  # what a field is called -> what it sets
    "Camera above the ground, meters": "mount.height_m",
    "Camera tilt, degrees downward": "mount.pitch_deg",
    "Horizontal field of view, degrees": "mount.hfov_deg",
}
MAX_UPLOAD_MB = 200  # largest file that is taken
_KEPT = 6  # folders of results
_FILES = "/gradio_api/file="  # where Gradio serves files of allowed folders
_FORGET_S = 600
_ASSETS = Path(__file__).with_name("templates")


class Studio:
    """What the page's buttons do. Every answer is HTML to show; a problem is a sentence.

    Args:
        load: makes the configuration; a wrong setting is reported in a sentence.
        work: folder for results; the oldest are deleted.
    """

    def __init__(self, load: Load, work: Path) -> None:
        self._load, self._work = load, work
        self._photographer = Photographer(load([]))

    def photo(self, path: str, *settings: Any) -> str:
        """Heat map, sound and sentence of an uploaded photo."""

        def do(config: SonarConfig, out: Path) -> str:
            look = self._photographer.look(Path(path), config, out)
            return show.fill(
                "photo.html",
                spoken=look.spoken,
                sentence=look.sentence,
                image=show.image_address(look.image),
                sound=show.data_address("audio/wav", look.sound.read_bytes()),
            )

        return self._answer(path, settings, do)

    def video(self, path: str, *settings: Any) -> str:
        """Annotated video and report of an uploaded video."""

        def do(config: SonarConfig, out: Path) -> str:
            sentence = watch(Path(path), config, out)
            places = [_FILES + quote(str(out / name)) for name in (VIDEO, REPORT)]
            return show.fill("video.html", sentence=sentence, video=places[0], report=places[1])

        return self._answer(path, settings, do)

    def close(self) -> None:
        self._photographer.close()

    def _answer(
        self, path: str, settings: Sequence[Any], do: Callable[[SonarConfig, Path], str]
    ) -> str:
        """What ``do`` makes in a new folder, or what is wrong: with the file's own name instead
        of where the page keeps it."""
        try:
            config = self._load(as_settings(*settings))
            if Path(path).stat().st_size > MAX_UPLOAD_MB * 1_000_000:
                raise SourceError(f"The file is larger than {MAX_UPLOAD_MB} MB.")
            before = sorted(self._work.iterdir(), key=lambda entry: entry.stat().st_mtime_ns)
            for old in before[: max(0, len(before) - _KEPT + 1)]:
                shutil.rmtree(old, ignore_errors=True)
            return do(config, Path(tempfile.mkdtemp(dir=self._work)))
        except SonarError as error:
            return show.sentence(str(error).replace(path, Path(path).name), problem=True)


def as_settings(*given: Any) -> list[str]:
    """The texts of the fields and the two choices as ``key=value``; an empty one stays as it is
    configured. Raises ConfigError, naming the field, for what is no number."""
    *texts, swap_sides, chatty = given
    found = []
    for (label, key), value in zip(_FIELDS.items(), texts, strict=True):
        text = (value or "").strip()
        try:
            found += [f"{key}={float(text.replace(',', '.')):g}"] if text else []
        except ValueError as error:
            raise ConfigError(f"{label}: {text} is not a number") from error
    found += ["audio.swap_sides=true"] if swap_sides else []
    found += ["speech.verbosity=chatty"] if chatty else []
    return found


def upload_button(label: str) -> gr.UploadButton:
    """An upload button. Gradio would fetch an address given as a file's name,
    and trusts a path once it has checked it; here neither gets past the folder of uploads."""
    button = gr.UploadButton(label, variant="primary", type="filepath")
    uploads = Path(button.GRADIO_CACHE).resolve()
    fetch, give = button.async_move_resource_to_block_cache, button.preprocess

    def own(path: Any) -> Any:
        """``path``, or gr.Error for what is not in the folder of uploads."""
        with suppress(OSError, ValueError):
            if Path(str(path)).resolve().is_relative_to(uploads):
                return path
        raise gr.Error("Only what was uploaded here is looked at.", print_exception=False)

    async def fetch_own(path: Any) -> str | None:
        found: str | None = await fetch(own(path))
        return found

    def give_own(payload: Any) -> Any:
        if payload is not None:
            own(payload.path)
        return give(payload)

    # On the object: a class of ours would make Gradio write a .pyi file beside this one.
    button.async_move_resource_to_block_cache = fetch_own
    button.preprocess = give_own
    return button


def build(studio: Studio) -> gr.Blocks:
    """The page; launched by :func:`serve`."""
    with gr.Blocks(
        title="sonar", analytics_enabled=False, delete_cache=(_FORGET_S, _FORGET_S)
    ) as page:
        gr.Markdown(f"# sonar\nHear what is near. {SAFETY}")
        with gr.Tab("Photo"):
            photo = upload_button("Choose a photo")
            looked = gr.HTML("<p>No photo yet.</p>", elem_id="looked")
        with gr.Tab("Video"):
            video = upload_button("Choose a video")
            watched = gr.HTML("<p>No video yet.</p>", elem_id="watched")
        with gr.Tab("Live") as live:
            live_tab(page, live)
        with gr.Tab("Settings"):
            gr.Markdown("They hold for photos and videos on this page. Empty = as configured.")
            settings = [
                # Text: a number field of Gradio gives 0 for an empty field once it was shown.
                *(gr.Textbox("", label=label, max_lines=1) for label in _FIELDS),
                gr.Checkbox(False, label="Exchange left and right"),
                gr.Checkbox(False, label="Speak all changes"),
            ]

        alone: dict[str, Any] = {"concurrency_limit": 1, "api_visibility": "private"}
        photo.upload(studio.photo, [photo, *settings], looked, **alone)
        video.upload(studio.video, [video, *settings], watched, **alone)
    return page


def serve(load: Load, password: str | None, started: Callable[[str], None]) -> None:
    """Serve until interrupted; ``started`` receives the address. ``password``: see ``web.gate``.

    Raises:
        OSError: the address cannot be used.
    """
    config = load([]).web
    with tempfile.TemporaryDirectory(prefix="sonar-web-") as work:
        results, uploads = Path(work) / "results", Path(work) / "uploads"
        results.mkdir()
        uploads.mkdir()
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)  # private and gone at the end; /tmp is neither
        studio = Studio(load, results)
        page = build(studio)
        try:
            _, url, _ = page.launch(
                server_name=config.host,
                server_port=config.port,
                max_file_size=f"{MAX_UPLOAD_MB}mb",
                allowed_paths=[str(results)],
                share=False,
                quiet=True,
                ssr_mode=False,
                prevent_thread_lock=True,
                app_kwargs={"middleware": [Middleware(Gate, password=password)]},
                theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
                css=(_ASSETS / "page.css").read_text(),
                js=(_ASSETS / "page.js").read_text(),
            )
            started(url)
            threading.Event().wait()  # until Ctrl-C
        finally:
            page.close(verbose=False)
            studio.close()
