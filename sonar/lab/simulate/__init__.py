"""Simulated places: recorded walks, a walker that only hears, scenes for the ear and for training.

Needs the ``[sim]`` extra (MuJoCo), except for ``ear``. ``scenario`` reads scenarios, ``record``
films a walk with exact depth and truth, ``closed_loop`` counts contacts, ``places`` renders random
places.
"""
