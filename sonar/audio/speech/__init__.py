"""Phrases rendered ahead of time by a synthesizer process."""
