"""How well distances and warnings agree with what was really there: figures and their page.

:func:`find_data` finds places and recordings, :func:`evaluate` makes a report of them,
:func:`lines` shows it and :func:`write_results` writes it.
"""

from sonar.lab.evaluate.results import lines, write_results
from sonar.lab.evaluate.run import evaluate, find_data

__all__ = ["evaluate", "find_data", "lines", "write_results"]
