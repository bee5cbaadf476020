"""Running unattended: a supervisor with little that can fail, and a guide that sends it heartbeats.

The parent (:mod:`sonar.service.supervisor`) imports little; the guide (:mod:`sonar.service.guide`)
is the whole product. :mod:`~sonar.service.health` shows both to people and to Prometheus,
:mod:`~sonar.service.unit` installs them under systemd.
"""

__all__ = ["health", "unit"]
