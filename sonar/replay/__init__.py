"""A recording in; annotated video, sound, records and a report out.

:mod:`sonar.replay.batch` does many, :mod:`sonar.replay.regression` compares what is heard.
"""

from sonar.replay.folder import output_folder, refuse_overwrite
from sonar.replay.session import ReplayResult, replay

__all__ = ["ReplayResult", "output_folder", "refuse_overwrite", "replay"]
