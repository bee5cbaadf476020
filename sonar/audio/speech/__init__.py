"""Phrases, rendered ahead by a synthesizer process and kept in a cache.

Entry point: :class:`sonar.audio.speech.bank.SpeechBank`. Nothing is imported here: the worker
process starts quickly.
"""

__all__ = ["bank", "catalogue", "clips"]
