"""The page in the browser."""

from typing import Annotated

from pydantic import Field

from sonar.config._base import Section


class WebConfig(Section):
    """`sonar web`: photos, videos and a running sonar in a browser."""

    host: str = Field(
        "127.0.0.1", description="address; any but loopback lets others in, with a password"
    )
    password_file: str | None = Field(
        None,
        description="file with the password that browsers must give (16 characters or more); "
        "none = none on loopback, elsewhere a new one each time, which is told",
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(7860, description="TCP port")
    max_upload_mb: Annotated[int, Field(ge=1, le=10_000)] = Field(
        200, description="largest file that is taken, megabytes"
    )
    max_video_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        120.0, description="longest video that is taken"
    )
    time_limit_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        300.0, description="a video that takes longer to process ends there, with what is done"
    )
