"""Files, environment and --set: who outranks whom, and what every slip is answered with."""

import math
from pathlib import Path

import pytest

from sonar.config import SonarConfig
from sonar.config.load import PROFILES, dump_config, load_config, profile_path
from sonar.errors import ConfigError


def write(folder: Path, text: str) -> str:
    path = folder / "my.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(*arguments: object, env: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(*arguments, env=env or {})
    return str(caught.value)


def test_each_place_outranks_the_one_below(tmp_path: Path) -> None:
    path = write(tmp_path, "audio:\n  volume_db: -1\n  pan_db: 11\n  rate_hz: 44100\n")
    env = {"SONAR_AUDIO__VOLUME_DB": "-2", "SONAR_AUDIO__PAN_DB": "12"}
    audio = load_config(path, ["audio.volume_db=-3"], env).audio
    assert (audio.volume_db, audio.pan_db, audio.rate_hz) == (-3.0, 12.0, 44100)
    assert audio.mono == SonarConfig().audio.mono


def test_a_later_set_outranks_an_earlier_one() -> None:
    config = load_config(None, ["audio.volume_db=-3", "audio.volume_db=-4"], {})
    assert config.audio.volume_db == -4.0


def test_the_process_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONAR_ZONES__BANDS__STOP_M", "0.5")
    assert load_config().zones.bands.stop_m == 0.5


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_load(name: str) -> None:
    assert load_config(name, env={}) == load_config(str(profile_path(name)), env={})


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "---\n", "\ufeffaudio: {}\n", "audio:\n#  volume_db: 1\n"]
)
def test_an_empty_file_or_section_is_the_defaults(tmp_path: Path, text: str) -> None:
    assert load_config(write(tmp_path, text), env={}) == load_config(env={}) == SonarConfig()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (
            "audio:\n  volum_db: -3\n",
            2,
            "no such key audio.volum_db; the nearest is audio.volume_db",
        ),
        ("audoi:\n  volume_db: -3\n", 1, "no such key audoi; the nearest is audio"),
        ("speech: {}\nvolume_db: 3\n", 2, "the nearest is audio.volume_db"),
        ("zones:\n  bands:\n    stopm: 1\n", 3, "the nearest is zones.bands.stop_m"),
        (
            "audio:\n\n  pan_db: 100\n",
            3,
            "audio.pan_db (dB) must be a number from 6 to 60, not 100",
        ),
        ("audio:\n  pan_db: nan\n", 2, "must be a number from 6 to 60, not nan"),
        ("speech:\n  rate_wpm: 190.5\n", 2, "must be a whole number from 80 to 450, not 190.5"),
        ("speech:\n  rate_wpm: true\n", 2, "must be a whole number from 80 to 450, not true"),
        ("audio:\n  swap_sides: maybe\n", 2, "must be true or false, not maybe"),
        ("audio:\n  rate_hz: 8000\n", 2, "must be one of 44100, 48000, not 8000"),
        ("audio:\n  scheme: loud\n", 2, "audio.scheme must be one of "),
        ("speech:\n  language: null\n", 2, "speech.language must be text, not null"),
        ("speech:\n  language: [en]\n", 2, 'speech.language must be text, not ["en"]'),
        ("mount:\n  height_m: 0\n", 2, "a number above 0 and up to 100, or null, not 0"),
        ("mount:\n  distortion: [0.1, x]\n", 2, "mount.distortion must be a list"),
        ("mount:\n  distortion: 0.1\n", 2, "mount.distortion must be a list"),
        ("zones:\n  bands:\n    stop_m: 3\n", 3, "zones.bands: band edges must ascend"),
        ("mount:\n  cx_px: 320\n", 2, "mount: fy_px, cx_px, cy_px and the calibrated size go with"),
        ("mount:\n  fx_px: 5\n  calibrated_width_px: 6\n", 3, "calibrated_height_px go together"),
        ("capture:\n  open_timeout_s: 0\n", 2, "capture.open_timeout_s (seconds) must be a number"),
        ("speech: {}\naudio: 5\n", 2, "audio is a section"),
        ("zones:\n  bands: [1, 2]\n", 2, "zones.bands is a section"),
        ("- audio\n", 1, "made of sections"),
        ("audio\n", 1, "made of sections"),
        ("audio:\n  pan_db: 20\n  pan_db: 20\n", 3, "audio.pan_db is already set on line 2"),
        ("audio: {}\nzones: {}\naudio: {}\n", 3, "audio is already set on line 1"),
        ("audio:\n  1: 2\n", 2, "no such key audio.1"),
        ("audio:\n  ? [a]\n  : 2\n", 2, "a key must be a word"),
        ("audio:\n\tpan_db: 20\n", 2, "spaces, not tabs"),
        ("audio: {pan_db: 20\n", 2, "not valid YAML"),
        ("audio:\n  device: 'open\n", 3, "not valid YAML"),
        ("audio: &a {}\n", 1, "anchors and aliases"),
        ("audio: *a\n", 1, "anchors and aliases"),
        ("audio:\n  device: !!python/object/apply:os.system [true]\n", 2, "the tag"),
        ("audio:\n  device: !x y\n", 2, "the tag"),
        ("--- {}\n--- {}\n", 2, "not valid YAML"),
        (f"audio:\n  pan_db: {'9' * 5000}\n", 2, "from 6 to 60, not 9999"),
        (f"speech:\n  rate_wpm: {'9' * 5000}\n", 2, "from 80 to 450, not 9999"),
        ("audio:\n  pan_db: 1e999\n", 2, "from 6 to 60, not 1e999"),
        ("mount:\n  distortion: [nan]\n", 2, "mount.distortion must be a list"),
        ("models:\n  mine:\n    pth: x\n", 3, "no such key models.mine.pth; the nearest is "),
        ("models:\n  mine:\n    path: x\n    multiple: 0\n", 4, "models.mine.multiple must be"),
        ("models:\n  mine:\n    path: x\n    std: [1, 2]\n", 4, "models.mine.std must be a list"),
        ("models:\n  mine:\n    url: x\n", 3, "models.mine.url must be text matching "),
        ("models:\n  mine:\n", 2, "models.mine: a model needs either path or url"),
        ("models:\n  mine: 3\n", 2, "models.mine is a section"),
        ("models: [a]\n", 1, "models is a section"),
        ("models:\n  Bad Name:\n    path: x\n", 2, "models.Bad Name: "),
    ],
)
def test_a_wrong_file_is_reported_with_its_line(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    path = write(tmp_path, text)
    message = refusal(path)
    assert message.startswith(f"{path}:{line}: ")
    assert says in message
    assert message.endswith(".")
    assert "\n" not in message


def test_several_problems_are_reported_in_the_files_order(tmp_path: Path) -> None:
    path = write(tmp_path, "zones:\n  x: 1\naudio:\n  pan_db: 0\ncapture:\n  y: 2\n")
    problems = refusal(path).split("\n")
    assert [line.split(":")[1] for line in problems] == ["2", "4", "6"]


def test_a_flood_of_problems_is_cut_short(tmp_path: Path) -> None:
    path = write(tmp_path, "".join(f"k{n}: 1\n" for n in range(50)))
    problems = refusal(path).split("\n")
    assert len(problems) == 21
    assert problems[-1] == "... and 30 more."


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe\x00", "not a text file in UTF-8"),
        (b"a: \x01", "not a text file"),
        (b"#" * 1_100_000, "too large"),
        (b"[" * 50_000, "nested far too deeply"),
    ],
)
def test_what_is_no_configuration_at_all(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "blob.yaml"
    path.write_bytes(content)
    assert says in refusal(str(path))


def test_a_missing_file_names_the_profiles(tmp_path: Path) -> None:
    message = refusal(str(tmp_path / "gone.yaml"))
    assert "gone.yaml" in message
    assert all(name in message for name in PROFILES)
    assert "\n" not in message


@pytest.mark.parametrize("path", ["/", "/dev/zero", "/dev/null/x", "bad\0name", "x" * 5000])
def test_odd_paths_are_refused_at_once(path: str) -> None:
    assert "\n" not in refusal(path)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("audio.volume_db=40", "audio.volume_db (dB) must be a number from -90 to 12, not 40."),
        ("audio.volume_db=", "must be a number from -90 to 12, not null"),
        ("audio.volume_db={a: 1}", "not {a: 1}"),
        ("audio.volum=3", "no such key audio.volum; the nearest is audio.volume_db"),
        ("volume_db=3", "no such key volume_db; the nearest is audio.volume_db"),
        ("audio=3", "audio is a section"),
        ("models.mine=3", "models.mine is a section"),
        ("models=3", "models is a section"),
        ("models.mine.pth=3", "the nearest is models.mine.path"),
        ("zones.bands=3", "zones.bands is a section"),
        ("audio.volume_db", "write section.key=value"),
        ("=3", "write section.key=value"),
        ("", "write section.key=value"),
        ("audio.volume_db.x=3", "no such key"),
        ("zones.bands.stop_m=9", "band edges must ascend"),
    ],
)
def test_a_wrong_override_is_quoted_back(override: str, says: str) -> None:
    message = refusal(None, [override])
    assert message.startswith(f"--set {override}: ")
    assert says in message


def test_the_override_is_blamed_not_the_file_below_it(tmp_path: Path) -> None:
    path = write(tmp_path, "zones:\n  bands:\n    stop_m: 0.5\n")
    assert refusal(path, ["zones.bands.stop_m=9"]).startswith("--set zones.bands.stop_m=9: ")


@pytest.mark.parametrize(
    ("text", "value"), [("5", "5"), ("true", "true"), ("USB: [x]", "USB: [x]"), ("null", None)]
)
def test_any_text_can_name_a_device(tmp_path: Path, text: str, value: str | None) -> None:
    assert load_config(None, [f"audio.device={text}"], {}).audio.device == value
    assert load_config(None, [], {"SONAR_AUDIO__DEVICE": text}).audio.device == value


def test_a_users_own_model_is_a_section_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, "models:\n  mine:\n    path: /m.onnx\n    mean: [0, 0, 0]\n")
    config = load_config(path, ["models.mine.multiple=14"], {})
    assert (config.models["mine"].multiple, config.models["mine"].mean) == (14, (0.0, 0.0, 0.0))
    assert load_config(write(tmp_path, dump_config(config)), env={}) == config


def test_the_null_output_needs_no_quotes(tmp_path: Path) -> None:
    path = write(tmp_path, "audio:\n  output: null\n")
    assert load_config(path, env={}).audio.output == "null"
    assert load_config(None, ["audio.output=null"], {}).audio.output == "null"


@pytest.mark.parametrize(
    ("text", "value"), [("1e1", 10.0), ("010", 10.0), ("+7", 7.0), ("7.", 7.0), ("1e", None)]
)
def test_numbers_are_read_as_people_write_them(
    tmp_path: Path, text: str, value: float | None
) -> None:
    path = write(tmp_path, f"audio:\n  pan_db: {text}\n")
    if value is None:
        refusal(path)
    else:
        assert math.isclose(load_config(path, env={}).audio.pan_db, value)


@pytest.mark.parametrize("word", ["no", "1:30", "2020-01-01", "off", "=", "<<"])
def test_words_that_yaml_1_1_would_change_stay_text(tmp_path: Path, word: str) -> None:
    path = write(tmp_path, f"speech:\n  language: {word}\n")
    assert load_config(path, env={}).speech.language == word


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("SONAR_AUDIO__VOLUM_DB", "the nearest is SONAR_AUDIO__VOLUME_DB"),
        ("SONAR_audio__volume_db", "the nearest is SONAR_AUDIO__VOLUME_DB"),
        ("SONAR_AUDIO_VOLUME_DB", "write SONAR_AUDIO__VOLUME_DB, with two underscores"),
        ("SONAR_RATE_HZ", "write SONAR_CAPTURE__RATE_HZ or SONAR_AUDIO__RATE_HZ"),
        ("SONAR_X__Y", "no such key"),
        ("SONAR_AUDIO__PAN_DB", "must be a number from 6 to 60, not -3"),
    ],
)
def test_a_wrong_variable_is_named(name: str, says: str) -> None:
    message = refusal(env={name: "-3"})
    assert message.startswith(f"{name}: ")
    assert says in message


def test_other_programs_variables_are_left_alone() -> None:
    env = {"SONAR_TOKEN": "x", "SONAR_HOST_URL": "y", "SONAR_HOME": "/x", "SONARX__Y": "z"}
    assert load_config(env=env) == SonarConfig()
