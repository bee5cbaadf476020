"""``report.html``: what was seen and heard, in step with the player, in one file.

Pages are Jinja2 templates: one style, one table, and no network. Jinja2 escapes whatever comes from
outside (file names, words, settings). The content policy forbids everything but what is in the
page and the media beside it.
"""

import base64
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from sonar.config import SonarConfig
from sonar.config.load import dump_config
from sonar.replay.folder import write_whole
from sonar.replay.report.data import read_run, words
from sonar.replay.report.plots import timeline

NAME = "report.html"
MAX_EVENTS = 5000
SAFETY = (
    "sonar is an aid beside a cane, a dog or a sighted guide, never instead of one. It cannot see "
    "glass, thin wires or in darkness, and it can be wrong."
)
_HERE = "sonar.replay.report"
# Scripts and styles of the page itself, images in the page, media beside it; nothing else.
_POLICY = (
    "default-src 'none'; img-src data:; media-src 'self' file: data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


def write_report(folder: Path, summary: dict[str, Any], embed_mb: float = 0.0) -> None:
    """Write ``report.html`` into the folder of a replay that has just ended.

    Args:
        summary: as in ``summary.json``.
        embed_mb: a video up to this size goes into the page, so that the page alone is enough.

    Raises OutputError when the page cannot be written.
    """
    run = read_run(folder, max(float(summary["duration_s"] or 0.0), 0.001))
    moments = []  # where the words change
    for said, alike in groupby(run.moments, words):
        t = next(alike).t
        moments.append((t, f"{t:.1f} s: {said}"))
    text = render(
        "report.html",
        title=f"sonar: {summary['source']}",
        summary=summary,
        duration_s=run.duration_s,
        video=_video(folder, embed_mb),
        first_moment=moments[0][1] if moments else "No frame was processed.",
        plots=timeline(run),
        events=run.events[:MAX_EVENTS],
        event_count=len(run.events),
        config=dump_config(SonarConfig.model_validate(summary["config"])),
        data={"duration": round(run.duration_s, 3), "moments": moments},
    )
    write_whole(folder / NAME, text)


def _video(folder: Path, embed_mb: float) -> str:
    """The address of the annotated video, or "" where there is none."""
    video = folder / "annotated.mp4"
    if not video.exists():
        return ""
    if video.stat().st_size > embed_mb * 1e6:
        return video.name
    return f"data:video/mp4;base64,{base64.b64encode(video.read_bytes()).decode('ascii')}"


def render(template: str, package: str = _HERE, **values: Any) -> str:
    """A page. ``template`` is looked for in ``templates`` of ``package``, then here."""
    values = {"policy": _POLICY, "safety": SAFETY, **values}
    return _environment(package).get_template(template).render(values)


@cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(_HERE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
