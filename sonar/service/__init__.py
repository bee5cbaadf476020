"""Running unattended: a supervisor that is small enough not to fail, and a guide that tells it
how far it has come.

The parent (:mod:`sonar.service.supervisor.supervisor`) imports the standard library only; the guide
(:mod:`sonar.service.guide.guide`) is the whole product.
"""
