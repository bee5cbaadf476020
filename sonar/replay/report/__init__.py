"""``report.html``: what was seen and heard in a recording. Pages are Jinja2 templates."""

from sonar.replay.report.page import NAME, write_report
from sonar.replay.report.render import SAFETY, render
from sonar.replay.report.strip import DepthStrip

__all__ = ["NAME", "SAFETY", "DepthStrip", "render", "write_report"]
