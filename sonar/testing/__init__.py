"""Fakes for tests, of sonar and of what you build on it: see docs/testing.md.

A source and an engine that follow a script, sinks that keep what they get, a speaker whose phrases
are tones, and a clock that moves only when it is advanced. Product code does not import them;
:mod:`sonar.lab` may.
"""

from sonar.clock import ManualClock
from sonar.testing.audio import CollectSink, CueSink, ToneSpeaker
from sonar.testing.capture import Delay, Hang, ScriptedSource
from sonar.testing.depth import FakeEngine

__all__ = [
    "CollectSink",
    "CueSink",
    "Delay",
    "FakeEngine",
    "Hang",
    "ManualClock",
    "ScriptedSource",
    "ToneSpeaker",
]
