"""A page in the browser, for a sighted helper or a first try; see :mod:`sonar.web.page`."""
