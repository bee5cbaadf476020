"""What a guide tells of itself: beats to its supervisor, or readiness and progress to systemd."""

from collections.abc import Callable, Mapping
from typing import Any

from sonar.ports import Clock
from sonar.service.beats import Beat, BeatSender
from sonar.service.guide.board import Board, age_quantiles
from sonar.service.guide.runs import Run
from sonar.service.health import Snapshot
from sonar.service.logs import JsonLog
from sonar.service.notify import Notifier
from sonar.types import Reason, State

HEALTH_EVERY_S = 1.0
SUMMARY_EVERY_S = 60.0


class Reporter:
    """Tells how far the present run has come whenever something was done.

    Attributes:
        run: the present one.
        sensed: called when the machine's sensors were read.
    """

    def __init__(
        self,
        clock: Clock,
        log: JsonLog,
        board: Board,
        sender: BeatSender | None,
        notifier: Notifier,
        sensed: Callable[[], None],
    ) -> None:
        self.run: Run | None = None
        self.sensed = sensed
        self._clock, self._log, self._board = clock, log, board
        self._sender, self._notifier = sender, notifier
        self._posted = 0  # cues of runs that are over
        self._health_s = float("-inf")
        self._summary_s = clock.now()
        self._speech_told = False
        board.extra = self._more_figures

    def run_ended(self, run: Run) -> None:
        """Its cues count on."""
        self._posted += run.sink.posted

    def reset(self) -> None:
        """Another configuration is in force: what was told of its parts is told anew."""
        self._speech_told = False

    def beat(self) -> None:
        """Tell now; cheap, for every cue and event."""
        now = self._clock.now()
        run = self.run
        health: Mapping[str, Any] | None = None
        if now - self._health_s >= HEALTH_EVERY_S:
            self._health_s = now
            self._board.sense()
            self.sensed()
            health = self._board.figures()
            if now - self._summary_s >= SUMMARY_EVERY_S:
                self._summary_s = now
                self._log("figures", **health)
            self._check_speech(run)
        posted = self._posted + (0 if run is None else run.sink.posted)
        state, reason = self.state()
        beat = Beat(
            state=state,
            reason=reason,
            frames=self._board.frames,
            told=max(0, posted - self._board.frames),
            samples=None if run is None else run.mixer.rendered,
            regaining=run is not None and run.sink.lost,
            health=None if health is None else dict(health),
        )
        if self._sender is not None:
            self._sender.send(beat)
        elif state in ("guiding", "degraded"):
            self._notifier.ready()
            if not beat.regaining:
                self._notifier.progress()
            self._notifier.status(f"{beat.state} {beat.reason}".strip())

    def state(self) -> tuple[str, str]:
        """State and reason; a lost sound device outranks what the pipeline sees."""
        if self.run is not None and self.run.sink.lost:
            return State.DEGRADED.value, Reason.AUDIO_LOST.value
        return self._board.state, self._board.reason

    def snapshot(self) -> Snapshot:
        """For a health endpoint of this process."""
        figures = {**self._board.figures(), "frames": self._board.frames}
        return Snapshot(*self.state(), figures, self._clock.now())

    def close(self) -> None:
        """No more beats."""
        if self._sender is not None:
            self._sender.close()
        self._notifier.stopping()

    def _more_figures(self) -> dict[str, Any]:
        run = self.run
        if run is None:
            return {}
        status = run.sink.status
        figures = {
            "dropped": run.source.dropped,
            "engine_restarts": run.engine.restarts,
            "engine": run.engine.label,
            "source": run.source.label,
            "xruns": status.gaps,
            "own_xruns": status.own_gaps,
            "sound_reopened": status.reopened,
            "sound_lost": status.lost,
        }
        if run.source.live:  # a recording's pictures are as old as the recording says
            figures |= age_quantiles(status.ages_s)
        if run.governor is not None and run.source.rate_limit_hz != float("inf"):
            figures["rate_hz"] = round(run.source.rate_limit_hz, 2)
        return figures

    def _check_speech(self, run: Run | None) -> None:
        """Speech that is lost is told once, by tone; the mixer's tones go on without it."""
        if run is None or self._speech_told:
            return
        lost = run.running.speech.status.lost
        if lost:
            self._speech_told = True
            self._log("speech_lost", level="warning", problem=lost)
            run.mixer.tell("degraded", "unknown_speech_lost")
