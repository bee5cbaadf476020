"""Scene in, cue out: which obstacle sounds, when, and with which words."""
