"""One file per runtime; each imports its library only when it is opened."""
