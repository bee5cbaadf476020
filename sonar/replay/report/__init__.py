"""``report.html``: what was seen and heard in a recording. Pages are Jinja2 templates."""

from sonar.replay.report.page import NAME, SAFETY, render, write_report

__all__ = ["NAME", "SAFETY", "render", "write_report"]
