"""How it sounds and what is said."""

from typing import Annotated, Literal

from pydantic import Field

from sonar.config._base import Decibels, Fraction, Seconds, Section, Wait


class AudioConfig(Section):
    """Tones."""

    output: Literal["auto", "device", "null"] = Field(
        "auto", description="auto takes the sound card, or none (said plainly) where there is none"
    )
    device: str | None = Field(
        None, description="part of an output device's name (see `sonar devices`); none = default"
    )
    rate_hz: Literal[44100, 48000] = Field(48000, description="sample rate")
    block_size: Annotated[int, Field(ge=64, le=4096)] = Field(480, description="samples a block")
    buffer_ms: Annotated[float, Field(ge=5, le=200)] | None = Field(
        None,
        description="sound kept ready for the device; none = as little as it takes, and more after "
        "each gap; more from the start means no gaps on a busy machine, and later sound",
    )
    scheme: Literal["pulse", "continuous", "scan", "quiet"] = Field(
        "pulse",
        description="pulse = faster is nearer; continuous = one tone, higher is nearer; "
        "scan = the picture from left to right once a second, louder is nearer; "
        "quiet = speech and danger only",
    )
    volume_db: Annotated[Decibels, Field(le=12)] = Field(-6.0, description="gain of everything")
    swap_sides: bool = Field(False, description="exchange left and right")
    mono: bool = Field(
        False,
        description="for one ear: both channels alike, a pulse falls in pitch for left, rises for "
        "right",
    )
    pan_db: Annotated[float, Field(ge=6, le=60)] = Field(
        30.0, description="level difference between the ears for a sound fully to one side"
    )
    itd_us: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.0,
        description="how much later a sound fully to one side reaches the other ear; 0 = off, "
        "650 is natural with headphones and useless with bone conduction",
    )
    max_duty: Annotated[float, Field(ge=0.1, le=1)] = Field(
        0.4,
        description="share of the time that a pulse or tone may fill, so that the street is heard; "
        "dangers are not bound by it",
    )
    early_silence_s: Seconds = Field(
        3.0, description="a far or near obstacle that does not change falls silent after this"
    )
    stale_s: Wait = Field(
        1.0, description="no news from the camera for this long is heard, whatever hangs"
    )


class SpeechConfig(Section):
    """Spoken warnings (espeak-ng through pyttsx3)."""

    enabled: bool = Field(True, description="false = tones only")
    language: str = Field("en", description="catalogue: en, zh, or a path to a YAML file")
    voice: str | None = Field(None, description="espeak-ng voice; none = the catalogue's")
    rate_wpm: Annotated[int, Field(ge=80, le=450)] = Field(190, description="speed")
    pitch: Annotated[int, Field(ge=0, le=99)] = Field(50, description="of the voice; 50 is natural")
    volume_db: Annotated[Decibels, Field(le=12)] = Field(0.0, description="relative to the tones")
    duck_db: Annotated[float, Field(ge=-60, le=0)] = Field(
        -12.0, description="tones are lowered by this while a phrase is spoken"
    )
    repeat_after_s: Seconds = Field(6.0, description="the same phrase is not repeated sooner")
    verbosity: Literal["danger", "normal", "chatty"] = Field(
        "normal", description="how much is said: dangers only, obstacles too, or all changes"
    )
    timeout_s: Annotated[float, Field(ge=0.1, le=120)] = Field(
        10.0, description="longest wait for the synthesizer to start, and for each phrase"
    )


class ReplayConfig(Section):
    """Recorded videos."""

    realtime: bool = Field(False, description="keep the recording's pace")
    max_width_px: Annotated[int, Field(ge=160, le=3840)] = Field(
        960, description="width of the annotated video at most"
    )
    crf: Annotated[int, Field(ge=0, le=51)] = Field(26, description="x264 quality, lower is better")
    overlay: Fraction = Field(0.35, description="how strongly depth is laid over the picture")
