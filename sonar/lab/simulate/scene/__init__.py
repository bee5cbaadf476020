"""What a scenario is made of, drawn and moved: MuJoCo's scene, its obstacles, the walker's body.

``Stage`` renders frames with exact depth; ``World`` moves people, bicycles and the walker, and
reports contacts and falls.
"""
