"""Scene in, cue out: which obstacle sounds, when, and with which words.

:class:`PulseMapper` turns each scene into the one cue to be heard; :data:`PHRASES` lists every
phrase that can be said; :func:`describe` puts a scene into a sentence.
"""

from sonar.audio.cues.mapping import REMINDER_RATE_HZ, SCHEMES, PulseMapper
from sonar.audio.cues.phrases import PHRASES, VERBOSITIES, describe, describe_keys

__all__ = [
    "PHRASES",
    "REMINDER_RATE_HZ",
    "SCHEMES",
    "VERBOSITIES",
    "PulseMapper",
    "describe",
    "describe_keys",
]
