"""When a state is saved and when the run ends: at each chance all ranks decide alike."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from verizero.training.begun import Begun
from verizero.training.checkpoint import Checkpoints
from verizero.training.clock import Clock
from verizero.training.critic import Critic
from verizero.training.learner import Learner
from verizero.training.walltime import StopRequest
from verizero.training.world import World

NEXT_UPDATE, REST_OF_STEP, NEXT_STEP = "update", "rest of the step", "step"
"""What lies between a chance to save and the next one."""


class Saving:
    """Saves the trained modules often enough, and before the run is stopped.

    Args:
        every: seconds from one state to the next, roughly.
        kept: steps whose weights stay whatever happens.
    """

    def __init__(
        self,
        trained: Sequence[Learner | Critic],
        checkpoints: Checkpoints,
        world: World,
        stop: StopRequest,
        every: float,
        kept: Iterable[int],
    ) -> None:
        self.trained, self.checkpoints, self.world, self.stop, self.every = trained, checkpoints, world, stop, every
        self.kept = list(kept)
        self.best: int | None = None
        """The step whose kept weights are the best so far."""
        self.seconds = 0.0
        """Of the last save after a step, whose own line had been written before."""
        self._saved_at = time.monotonic()

    def after_update(self, begun: Begun, clock: Clock, more: bool) -> bool:
        """A chance between the updates of one rollout; whether the run ends here, its state saved.

        Args:
            more: the step has another update, of the policy or of the critic.
        """
        save, stopping = self._decided(NEXT_UPDATE if more else REST_OF_STEP, wanted=False)
        if save:
            clock.phase("save")
            begun.seconds = dict(clock.seconds)
            self._save(begun.step - 1, begun)
        return stopping

    def after_step(self, step: int, wanted: bool) -> bool:
        """A chance between two steps; whether the run ends here, its state saved.

        Args:
            wanted: a state is saved in any case.
        """
        save, stopping = self._decided(NEXT_STEP, wanted)
        begin = time.monotonic()
        if save:
            self._save(step, None)
        self.seconds = time.monotonic() - begin if save else 0.0
        return stopping

    def _decided(self, ahead: str, wanted: bool) -> tuple[bool, bool]:
        """Whether to save, and whether to stop: what any rank asks for."""
        due = wanted or time.monotonic() - self._saved_at >= self.every
        save, stopping = self.world.maxima([due, self.stop.due(ahead)])
        return bool(save or stopping), bool(stopping)

    def _save(self, step: int, begun: Begun | None) -> None:
        def write(folder: Path) -> None:
            for one in self.trained:
                one.save(folder)
            if begun:
                begun.save(folder, self.world)

        begin = time.monotonic()
        untrained = [one.held.tag for one in self.trained if not one.held.updates]
        taken = begun.taken if begun else 0
        self.checkpoints.save(step, write, taken, self.best, untrained, self.stop.stretches)
        self.checkpoints.drop_but(self.kept)
        self._saved_at = time.monotonic()
        self.stop.saved(self._saved_at - begin)
