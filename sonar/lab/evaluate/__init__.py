"""How well distances and warnings agree with what was really there: figures and their page."""

from sonar.lab.evaluate.data import Dataset, find_datasets
from sonar.lab.evaluate.jobs import Piece, pinned, processes, serial
from sonar.lab.evaluate.report import EvaluationReport, sum_up
from sonar.lab.evaluate.results import Evaluated, document, lines, write_results
from sonar.lab.evaluate.walks import WalkFigures, walk_figures

__all__ = [
    "Dataset",
    "Evaluated",
    "EvaluationReport",
    "Piece",
    "WalkFigures",
    "document",
    "find_datasets",
    "lines",
    "pinned",
    "processes",
    "serial",
    "sum_up",
    "walk_figures",
    "write_results",
]
