"""How the built-in depth model is made: samples, losses, training, export, figures.

For developers: needs torch and timm (extra [midas]). Nothing that runs while walking imports this
package. ``sonar.lab.training.main.main`` is the command line of ``scripts/train_builtin``.
"""
