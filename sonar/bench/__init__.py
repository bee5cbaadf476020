"""How fast sonar is here: the depth engines, and the whole chain (in :mod:`sonar.bench.chain`)."""

from sonar.bench.report import BenchReport, Result, format_table
from sonar.bench.run import run_bench

__all__ = ["BenchReport", "Result", "format_table", "run_bench"]
