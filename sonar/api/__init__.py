"""What ``import sonar`` offers, exported lazily by :mod:`sonar`; import it from there."""

from sonar.api.session import Session, look, open
from sonar.api.stages import DepthEngine, Zones, render

__all__ = ["DepthEngine", "Session", "Zones", "look", "open", "render"]
