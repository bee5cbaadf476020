"""``report.html``: what was seen and heard in a recording."""
