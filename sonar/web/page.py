"""The Gradio page: photo, video, a running sonar, settings.

Nothing is loaded from elsewhere and nothing is sent anywhere: local fonts, no analytics. What is
uploaded lies in a private folder and is deleted by Gradio after ten minutes, what comes of it when
newer results need the place, everything at the end.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from sonar.config import SonarConfig
from sonar.errors import ConfigError, SonarError, SourceError
from sonar.replay.report.render import SAFETY
from sonar.service.health import ask
from sonar.web import show
from sonar.web.gate import Gate
from sonar.web.live_tab import IN_TURN, at_hand, live_tab
from sonar.web.photo import Photographer
from sonar.web.upload import upload_button
from sonar.web.video import watch

Load = Callable[[list[str]], SonarConfig]  # more settings ("key=value") -> the configuration
Progress = Callable[[int, int | None], None]

_FIELDS = {  # what a field is called -> what it sets
    "Camera above the ground, meters": "mount.height_m",
    "Camera tilt, degrees downward": "mount.pitch_deg",
    "Horizontal field of view, degrees": "mount.hfov_deg",
}
MAX_UPLOAD_MB = 200  # largest file that is taken
_KEPT = 6  # folders of results
_FORGET_S = 600
_NO_SERVICE = "<p>No service answers on this machine. `sonar service install` sets one up.</p>"
_CSS = """
.gradio-container { max-width: 60rem !important; }
.seen { max-width: 100%; height: auto; }
.said { font-size: 1.15rem; }
#now td, #now th, #answer td, #answer th { padding: 0.3rem 0.5rem; overflow-wrap: anywhere; }
button[role=tab], button[role=tab].selected { color: #0b3d91 !important; transition: none; }
button.primary { background: #0b3d91 !important; color: #fff !important; }
footer { display: none !important; }
.toast-body { animation: none !important; opacity: 1 !important; background: #fff !important; }
.toast-title, .toast-text { color: #7a1010 !important; }
"""
# New results are read out as they come, and so are Gradio's own messages, whose heading is no
# button around another button.
_SCRIPT = """() => {
  for (const id of ["looked", "watched", "answer", "done"])
    document.getElementById(id)?.setAttribute("aria-live", "polite");
  new MutationObserver(() => {
    for (const head of document.querySelectorAll(".toast-header[role=button]")) {
      head.removeAttribute("role");
      head.removeAttribute("tabindex");
      head.closest(".toast-body")?.setAttribute("role", "alert");
    }
  }).observe(document.body, { childList: true, subtree: true });
}"""


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
    height_m: str | None,
    pitch_deg: str | None,
    hfov_deg: str | None,
    swap_sides: bool,
    chatty: bool,
) -> list[str]:
    """The fields of the settings as ``key=value``; what is empty stays as configured.

    Raises ConfigError, naming the field, for what is no number.
    """
    found = []
    given = (height_m, pitch_deg, hfov_deg)
    for (label, key), value in zip(_FIELDS.items(), given, strict=True):
        text = str(value if value is not None else "").strip()
        if not text:
            continue
        try:
            found.append(f"{key}={float(text.replace(',', '.')):g}")
        except ValueError as error:
            raise ConfigError(f"{label}: {text} is not a number") from error
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
            photo = upload_button("Choose a photo")
            looked = gr.HTML("<p>No photo yet.</p>", elem_id="looked")
        with gr.Tab("Video"):
            video = upload_button("Choose a video")
            watched = gr.HTML("<p>No video yet.</p>", elem_id="watched")
        with gr.Tab("Live") as live:
            start = live_tab()
            button = gr.Button("How is the service?")
            answer = gr.HTML("<p>Not asked yet.</p>", elem_id="answer")
        with gr.Tab("Settings"):
            gr.Markdown("They hold for photos and videos on this page. Empty = as configured.")
            settings = [
                # Text: a number field of Gradio gives 0 for an empty field once it was shown.
                *(gr.Textbox("", label=label, max_lines=1) for label in _FIELDS),
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
                    progress((done, total), desc="Looking", unit="frames")

            return studio.video(path, *rest, advance=advance)

        photo.upload(
            studio.photo, [photo, *settings], looked, concurrency_limit=1, api_visibility="private"
        )
        video.upload(
            process, [video, *settings], watched, concurrency_limit=1, api_visibility="private"
        )
        for event in (live.select, page.load):
            event(
                at_hand,
                start[:1],
                start[1:],
                show_progress="hidden",
                api_visibility="private",
                **IN_TURN,
            )
        button.click(studio.service, None, answer, api_visibility="private")
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
                css=_CSS,
                js=_SCRIPT,
            )
            started(url)
            threading.Event().wait()  # until Ctrl-C
        finally:
            page.close(verbose=False)
            studio.close()


def _checked(path: str, config: SonarConfig) -> Path:
    file = Path(path)
    if file.stat().st_size > MAX_UPLOAD_MB * 1_000_000:
        raise SourceError(f"The file is larger than {MAX_UPLOAD_MB} MB.")
    return file


def _sentence(error: SonarError, path: str) -> str:
    """The problem, with the file's own name instead of where the page keeps it."""
    return str(error).replace(path, Path(path).name)
