"""Many recordings, each in a process and a folder of its own, with a summary page."""

from sonar.replay.batch.page import PAGE, write_batch
from sonar.replay.batch.plan import Job, find_videos, plan
from sonar.replay.batch.run import SCHEMA, Done, Options, run_batch, worst

__all__ = [
    "PAGE",
    "SCHEMA",
    "Done",
    "Job",
    "Options",
    "find_videos",
    "plan",
    "run_batch",
    "worst",
    "write_batch",
]
