"""How the built-in depth model is made: data, losses, training, export, figures.

For developers: needs torch and timm (extra [midas]); rendered scenes need [sim]. Nothing that
runs while walking imports this room.
"""
