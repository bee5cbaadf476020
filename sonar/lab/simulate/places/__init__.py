"""Random places with exact depth, drawn offscreen by MuJoCo (extra [sim]).

``render`` fills a folder for training, ``render_scene`` gives the views of one place.
"""

from sonar.lab.simulate.places.views import PlaceView, render, render_scene

__all__ = ["PlaceView", "render", "render_scene"]
