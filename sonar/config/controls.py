"""Commands while guiding: keys, buttons, a socket."""

from pydantic import Field

from sonar.config._base import Section


class ControlsConfig(Section):
    """Commands while guiding: keys, buttons, and `sonar control`."""

    keyboard: bool = Field(True, description="single keys, where sonar run has a terminal")
    socket: bool = Field(True, description="listen for `sonar control`, for this user only")
    buttons: str | None = Field(
        "auto",
        description="auto = headset media keys and GPIO buttons, never keyboards one types on; or "
        "a path pattern (/dev/input/by-id/*Headset*), or part of a device's name; null = none",
    )
    picture: bool = Field(
        False,
        description="true = `sonar web` of this user may show what the camera sees; it shows "
        "people who did not ask for it",
    )
