"""A recording in; annotated video, sound, records and a report out.

:func:`replay` does one recording; :mod:`sonar.replay.batch` many; :mod:`sonar.replay.regression`
compares what is heard.
"""

from sonar.replay.folder import OutputFolder, output_folder, refuse_overwrite
from sonar.replay.session import ReplayResult, replay

__all__ = ["OutputFolder", "ReplayResult", "output_folder", "refuse_overwrite", "replay"]
