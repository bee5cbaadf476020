"""Commands while guiding: keys, buttons, a local socket, and what a helper may look at.

Entry points: :class:`~sonar.controls.controls.Controls` does what a line of words asks for,
:func:`~sonar.controls.listen.listening` takes such lines while a run lasts.
"""

__all__ = ["control_socket", "controls", "listen", "view"]
