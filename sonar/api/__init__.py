"""What ``import sonar`` offers: look at an image, take the steps of a recording or a camera.

Everything here is exported lazily by :mod:`sonar`; import it from there. The parts below are the
same that the command line runs on.
"""

from sonar.api.engine import DepthEngine
from sonar.api.image import look
from sonar.api.session import Session, open
from sonar.api.sound import render
from sonar.api.zones import Zones

__all__ = ["DepthEngine", "Session", "Zones", "look", "open", "render"]
