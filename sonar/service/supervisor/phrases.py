"""What the supervisor says. It speaks when the guide cannot, so it has its own few words."""

# Exit codes of the guide that have a cause a person can mend; see sonar.errors.
CONFIG, INPUT, DEVICE, MODEL = 2, 3, 4, 5

_TEXTS = {
    "en": {
        "failed": "Sonar failed. Starting again.",
        "input": "No picture. Check the camera.",
        "device": "Camera or sound device missing.",
        "model": "The depth model is missing or damaged.",
        "config": "The configuration is wrong. Sonar stops.",
        "gave_up": "Sonar gave up. There is no guidance.",
    },
    "zh": {
        "failed": "声纳出错，正在重启。",
        "input": "没有画面，请检查摄像头。",
        "device": "找不到摄像头或声音设备。",
        "model": "深度模型丢失或损坏。",
        "config": "设置有误，声纳停止。",
        "gave_up": "声纳已放弃，没有引导。",
    },
}
_VOICES = {"en": "en-us", "zh": "cmn"}
_BY_CODE = {CONFIG: "config", INPUT: "input", DEVICE: "device", MODEL: "model"}


def texts(language: str) -> dict[str, str]:
    """Words by key; English for a language that is not here."""
    return _TEXTS.get(language, _TEXTS["en"])


def voice(language: str) -> str:
    """espeak-ng's voice for :func:`texts`."""
    return _VOICES.get(language, _VOICES["en"])


def key_for(exit_code: int) -> str:
    """What to say when the guide ended with ``exit_code``."""
    return _BY_CODE.get(exit_code, "failed")
