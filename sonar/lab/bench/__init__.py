"""How fast sonar is here: the depth engines, and the whole chain.

Entry points: :func:`run_bench` and :func:`format_table`; :func:`sonar.lab.bench.chain.measure`.
"""

from sonar.lab.bench.run import BenchReport, Result, format_table, run_bench

__all__ = ["BenchReport", "Result", "format_table", "run_bench"]
