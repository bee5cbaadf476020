"""The child process: it guides, sends its heartbeat, records and saves power.

Entry points: :func:`sonar.service.guide.guide.main` (the process) and
:class:`sonar.service.guide.guide.Guide` (runs pipelines one after the other).
"""

__all__ = ["guide"]
