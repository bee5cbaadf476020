"""Commands while guiding: keys, buttons, a local socket, and what a helper may look at.

Entry points: :class:`~sonar.controls.controls.Controls` does what a line of words asks for,
:func:`~sonar.controls.listen.listening` takes such lines while a run lasts.
"""

COMMANDS = (
    "mute | volume up|down|DB | verbosity danger|normal|chatty|next | "
    "scheme pulse|continuous|scan|quiet|next | describe | repeat | view | keep | quit"
)

__all__ = ["COMMANDS", "control_socket", "controls", "listen", "view"]
