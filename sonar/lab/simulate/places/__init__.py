"""Made-up places with exact depth, drawn offscreen by MuJoCo (extra [sim]).

``render`` fills a folder for training, ``render_scene`` gives the views of one random place.
"""
