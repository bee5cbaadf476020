"""The Gradio page: photo, video, a running service, settings.

Nothing is loaded from elsewhere and nothing is sent anywhere: local fonts, no analytics. What is
uploaded is deleted by Gradio after ten minutes, what comes of it when newer results need the
place, everything at the end.
"""

import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from sonar.config import SonarConfig
from sonar.errors import SonarError, SourceError
from sonar.replay.report import SAFETY
from sonar.service.probe import ask
from sonar.web import show
from sonar.web.photo import Photographer
from sonar.web.video import watch

Load = Callable[[list[str]], SonarConfig]  # more settings ("key=value") -> the configuration
Progress = Callable[[int, int | None], None]

_KEPT = 6  # folders of results
_FORGET_S = 600
_NO_SERVICE = "<p>No service answers on this machine. `sonar service install` sets one up.</p>"
_CSS = """
.gradio-container { max-width: 60rem !important; }
.seen { max-width: 100%; height: auto; }
.said { font-size: 1.15rem; }
button[role=tab], button[role=tab].selected { color: #0b3d91 !important; transition: none; }
button.primary { background: #0b3d91 !important; color: #fff !important; }
footer { display: none !important; }
"""
# New results are read out as they come.
_LIVE = """() => { for (const id of ["looked", "watched", "answer"])
  document.getElementById(id)?.setAttribute("aria-live", "polite"); }"""


class Studio:
    """What the page's buttons do. Every answer is HTML to show; a problem is a sentence.

    Args:
        load: makes the configuration; a wrong setting is told as a sentence.
        work: folder for results; the oldest are deleted.
    """

    def __init__(self, load: Load, work: Path) -> None:
        self._load, self._work = load, work
        self._photographer = Photographer(load([]))

    def photo(self, path: str, *settings: Any) -> str:
        """Heat map, sound and sentence of an uploaded picture."""
        try:
            config = self._load(as_settings(*settings))
            return show.looked_at(
                self._photographer.look(_checked(path, config), config, self._folder())
            )
        except SonarError as error:
            return show.problem(_sentence(error, path))

    def video(self, path: str, *settings: Any, advance: Progress | None = None) -> str:
        """Annotated video and report of an uploaded video."""
        try:
            config = self._load(as_settings(*settings))
            return show.watched(watch(_checked(path, config), config, self._folder(), advance))
        except SonarError as error:
            return show.problem(_sentence(error, path))

    def service(self) -> str:
        """How a service on this machine is."""
        found = ask(self._load([]).service)
        return _NO_SERVICE if found is None else show.facts(found)

    def close(self) -> None:
        self._photographer.close()

    def _folder(self) -> Path:
        before = sorted(self._work.iterdir(), key=lambda entry: entry.stat().st_mtime_ns)
        for old in before[: max(0, len(before) - _KEPT + 1)]:
            shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=self._work))


def as_settings(
    height_m: float | None,
    pitch_deg: float | None,
    hfov_deg: float | None,
    swap_sides: bool,
    chatty: bool,
) -> list[str]:
    """The fields of the settings as ``key=value``; what is empty stays as configured."""
    numbers = {
        "mount.height_m": height_m,
        "mount.pitch_deg": pitch_deg,
        "mount.hfov_deg": hfov_deg,
    }
    found = [f"{key}={value}" for key, value in numbers.items() if value is not None]
    found += ["audio.swap_sides=true"] if swap_sides else []
    found += ["speech.verbosity=chatty"] if chatty else []
    return found


def build(studio: Studio) -> gr.Blocks:
    """The page; launched by :func:`serve`."""
    with gr.Blocks(
        title="sonar", analytics_enabled=False, delete_cache=(_FORGET_S, _FORGET_S)
    ) as page:
        gr.Markdown(f"# sonar\nHear what is near. {SAFETY}")
        with gr.Tab("Photo"):
            photo = gr.UploadButton("Choose a photo", variant="primary", type="filepath")
            looked = gr.HTML("<p>No photo yet.</p>", elem_id="looked")
        with gr.Tab("Video"):
            video = gr.UploadButton("Choose a video", variant="primary", type="filepath")
            watched = gr.HTML("<p>No video yet.</p>", elem_id="watched")
        with gr.Tab("Service"):
            button = gr.Button("How is the service?", variant="primary")
            answer = gr.HTML("<p>Not asked yet.</p>", elem_id="answer")
        with gr.Tab("Settings"):
            gr.Markdown("They hold for photos and videos on this page. Empty = as configured.")
            settings = [
                gr.Number(None, label="Camera above the ground, metres"),
                gr.Number(None, label="Camera tilt, degrees downward"),
                gr.Number(None, label="Horizontal field of view, degrees"),
                gr.Checkbox(False, label="Exchange left and right"),
                gr.Checkbox(False, label="Speak all changes"),
            ]

        def process(
            path: str,
            *rest: Any,
            progress: gr.Progress = gr.Progress(),  # noqa: B008  (how Gradio finds it)
        ) -> str:
            def advance(done: int, total: int | None) -> None:
                if total and done % 10 == 0:
                    progress((done, total), desc="Looking", unit="pictures")

            return studio.video(path, *rest, advance=advance)

        photo.upload(studio.photo, [photo, *settings], looked, concurrency_limit=1)
        video.upload(process, [video, *settings], watched, concurrency_limit=1)
        button.click(studio.service, None, answer)
    return page


def serve(load: Load, started: Callable[[str], None]) -> None:
    """Serve until interrupted; ``started`` is told the address.

    Raises:
        OSError: the address cannot be used.
    """
    config = load([]).web
    with tempfile.TemporaryDirectory(prefix="sonar-web-") as work:
        studio = Studio(load, Path(work))
        page = build(studio)
        try:
            _, url, _ = page.launch(
                server_name=config.host,
                server_port=config.port,
                max_file_size=f"{config.max_upload_mb}mb",
                allowed_paths=[work],
                share=False,
                quiet=True,
                ssr_mode=False,
                prevent_thread_lock=True,
                theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
                css=_CSS,
                js=_LIVE,
            )
            started(url)
            threading.Event().wait()  # until Ctrl-C
        finally:
            page.close(verbose=False)
            studio.close()


def _checked(path: str, config: SonarConfig) -> Path:
    file = Path(path)
    if file.stat().st_size > config.web.max_upload_mb * 1_000_000:
        raise SourceError(f"The file is larger than {config.web.max_upload_mb} MB.")
    return file


def _sentence(error: SonarError, path: str) -> str:
    """The problem, with the file's own name instead of where the page keeps it."""
    return str(error).replace(path, Path(path).name)
