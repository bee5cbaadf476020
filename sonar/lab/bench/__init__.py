"""How fast sonar is here: the depth engines, and the whole chain (:mod:`sonar.lab.bench.chain`)."""

from sonar.lab.bench.report import BenchReport, Result, format_table
from sonar.lab.bench.run import run_bench

__all__ = ["BenchReport", "Result", "format_table", "run_bench"]
