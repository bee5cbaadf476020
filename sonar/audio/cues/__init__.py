"""Scene in, cue out: which obstacle sounds, when, and with which words.

:class:`PulseMapper` turns each scene into the one cue to be heard; :data:`PHRASES` lists every
phrase that can be said; :func:`describe` puts a scene into a sentence.
"""

from sonar.audio.cues.describe import describe, describe_keys
from sonar.audio.cues.mapping import PAN, REMINDER_RATE_HZ, SCHEMES, PulseMapper, Scheme
from sonar.audio.cues.phrases import PHRASES, VERBOSITIES, Phrase, Verbosity, distance_key

__all__ = [
    "PAN",
    "PHRASES",
    "REMINDER_RATE_HZ",
    "SCHEMES",
    "VERBOSITIES",
    "Phrase",
    "PulseMapper",
    "Scheme",
    "Verbosity",
    "describe",
    "describe_keys",
    "distance_key",
]
