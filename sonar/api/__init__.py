"""What ``import sonar`` offers, exported lazily by :mod:`sonar`; import it from there."""

from sonar.api.engine import DepthEngine
from sonar.api.session import Session, look, open
from sonar.api.sound import render
from sonar.api.zones import Zones

__all__ = ["DepthEngine", "Session", "Zones", "look", "open", "render"]
