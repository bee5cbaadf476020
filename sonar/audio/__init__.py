"""From scenes to sound: ``cues``, ``synthesis``, ``speech`` and ``output``."""
