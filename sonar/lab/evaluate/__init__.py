"""How well distances and warnings agree with what was really there: figures and their page.

:func:`find_data` finds folders and recordings, :func:`evaluate` makes figures of them,
:func:`write_results` writes these.
"""

from sonar.lab.evaluate.folder import MountUse
from sonar.lab.evaluate.results import Evaluated, document, lines, write_results
from sonar.lab.evaluate.run import evaluate, find_data

__all__ = [
    "Evaluated",
    "MountUse",
    "document",
    "evaluate",
    "find_data",
    "lines",
    "write_results",
]
