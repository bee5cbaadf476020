"""What ``import sonar`` offers, exported lazily by :mod:`sonar`; import it from there."""

from sonar.api.session import Session, look, open
from sonar.api.stages import DepthEngine, Zones, render
from sonar.config import MountConfig as Mount

__all__ = ["DepthEngine", "Mount", "Session", "Zones", "look", "open", "render"]
