"""How fast the depth engine is here, beside the way MiDaS small is usually run."""

from sonar.bench.report import BenchReport, Result, format_table
from sonar.bench.run import run_bench

__all__ = ["BenchReport", "Result", "format_table", "run_bench"]
