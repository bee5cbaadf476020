"""What a scenario is made of, drawn and moved: MuJoCo's scene, its obstacles, the walker's body.

``Stage`` renders frames with exact depth; ``World`` moves people and bicycles; ``Body`` is the
walker's, and finds contacts and falls.
"""
