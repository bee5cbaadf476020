"""How well distances and warnings agree with what was really there: figures and their page.

:func:`perform_all` reads folders and recordings, :func:`sum_up` and :func:`walk_figures` make
figures of what was read, :func:`write_results` writes them.
"""

from sonar.lab.evaluate.data import Dataset, find_datasets
from sonar.lab.evaluate.folder import FolderReadings, MountUse
from sonar.lab.evaluate.jobs import Piece, Result, perform_all, pinned
from sonar.lab.evaluate.report import sum_up
from sonar.lab.evaluate.results import Evaluated, document, lines, write_results
from sonar.lab.evaluate.walks import walk_figures

__all__ = [
    "Dataset",
    "Evaluated",
    "FolderReadings",
    "MountUse",
    "Piece",
    "Result",
    "document",
    "find_datasets",
    "lines",
    "perform_all",
    "pinned",
    "sum_up",
    "walk_figures",
    "write_results",
]
