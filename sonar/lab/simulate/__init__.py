"""Rendered walks with exact depth, for the demo, for tests and for training the ear.

Needs the ``[sim]`` extra (MuJoCo).
"""
