"""How well distances and warnings agree with what was really there: figures and their page.

:func:`read_folder` and :func:`read_clip` play data, :func:`sum_up` and :func:`walk_figures` make
figures of what was read, :func:`write_results` writes them.
"""

from sonar.lab.evaluate.data import find_datasets
from sonar.lab.evaluate.folder import read_folder
from sonar.lab.evaluate.report import sum_up
from sonar.lab.evaluate.results import Evaluated, document, lines, write_results
from sonar.lab.evaluate.walks import read_clip, walk_figures

__all__ = [
    "Evaluated",
    "document",
    "find_datasets",
    "lines",
    "read_clip",
    "read_folder",
    "sum_up",
    "walk_figures",
    "write_results",
]
