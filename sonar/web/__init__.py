"""A page in the browser, of the extra ``[web]``; see :mod:`sonar.web.page`."""
