"""The parent process: it watches the guide's heartbeat, sounds its failure and restarts it.

Entry points: ``python -m sonar.service.supervisor.runner``, which `sonar service run` becomes, and
:class:`sonar.service.supervisor.supervisor.Supervisor`, which decides. Nothing is imported here:
the process stays small.
"""

__all__ = ["runner", "sounds", "supervisor"]
