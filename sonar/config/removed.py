"""Settings of the release before: ignored with a warning until the next one."""

_FIXED = """
    capture.read_timeout_s capture.silence_s capture.reconnect_first_s capture.reconnect_max_s
    engine.tolerance zones.hysteresis zones.dwell_s audio.block_size audio.max_duty
    audio.early_silence_s audio.stale_s speech.volume_db speech.duck_db speech.repeat_after_s
    speech.timeout_s replay.crf replay.overlay service.alarm_after_s service.restart_after_s
    service.start_timeout_s service.restarts service.restart_window_s service.missing_limit_s
    service.alarm_volume_db service.governor.min_rate_hz service.governor.max_rate_hz
    service.governor.hot_c service.governor.too_hot_c service.governor.battery_low_percent
    service.governor.battery_save_percent service.recording.ring_s service.recording.after_s
    service.recording.keep_again_s service.recording.width_px service.recording.rate_hz
    web.max_upload_mb web.max_video_s web.time_limit_s
"""
REMOVED: dict[str, str] = dict.fromkeys(_FIXED.split(), "it has one fixed value now") | {
    "capture.image_rate_hz": "a folder of images is read at 2 images a second",
    "capture.reconnect_attempts": "a lost source is tried again until you stop",
    "audio.buffer_ms": "the buffer is as small as possible, and grows after each gap",
    "audio.hrtf": "use pan_db: measured heads are gone",
    "audio.itd_us": "use pan_db: a level difference is what bone conduction needs",
    "speech.pitch": "it is the voice's own; choose another with voice",
    "controls.socket": "it is always there, and opens to this user only",
    "controls.keyboard": "keys are read where sonar run has a terminal",
    "replay.realtime": "use sonar replay --realtime",
    "service.governor.eco_model": "the rate is lowered instead; choose a faster engine.model",
    "service.health_host": "it answers this machine only; let others in through a proxy or SSH",
    "service.health_token_file": "it answers this machine only; let others in through a proxy",
    "service.recording.keep_on_danger": "a danger always keeps the recording",
}
"""Each with what holds instead."""
