"""From a new version to the int8 graph that looks at live windows: rewritten, checked, swapped.

The work runs in a thread of its own. What infers goes on until another graph has passed; a version
that does not pass is not installed, and the last good one stays, in memory and on the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from edge_agent.check_settings import CheckSettings
from edge_agent.effects import Model
from edge_agent.errors import StorageError
from edge_agent.examples import ExampleStore
from edge_agent.inference import Candidate, Inference, candidate_of
from edge_agent.installed import InstalledFile
from edge_agent.int8_check import Verdict, judge
from edge_agent.memory import give_memory_back
from models.artifact import Artifact
from models.errors import ModelError
from models.rehearsal import rehearsal
from models.trainable import TrainableModel
from models.truth import empty_truth

_LOG = logging.getLogger(__name__)


class Deployment:
    """Brings versions into use, one after the other; a newer one overtakes those that wait.

    Args:
        artifact: of all versions.
        inference: what gets a version that passed.
        kept: where it is kept.
        settings: of the check.
        open_examples: opens the examples, in the thread.
        changed: called on the loop with the version that infers, when an install has ended.
    """

    def __init__(
        self,
        artifact: Artifact,
        inference: Inference,
        kept: InstalledFile,
        settings: CheckSettings,
        open_examples: Callable[[], ExampleStore],
        changed: Callable[[int | None], None],
    ) -> None:
        self._artifact = artifact
        self._inference = inference
        self._kept = kept
        self._settings = settings
        self._open_examples = open_examples
        self._changed = changed
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="deployment")
        self._waiting: Model | None = None
        self._some = asyncio.Event()

    def recover(self) -> None:
        """Use the version that was kept, if there is one; what is damaged is said and passed."""
        try:
            found = self._kept.load()
        except StorageError as error:
            _LOG.error("%s; waiting for a version", error)
            return
        if found is not None:
            self._inference.use(found)
            _LOG.info("version %d infers as before", found.version)

    def want(self, model: Model) -> None:
        """Bring a version into use soon."""
        self._waiting = model
        self._some.set()

    async def run(self) -> None:
        """Bring versions into use until cancelled."""
        while True:
            await self._some.wait()
            await self.settle()

    async def settle(self) -> None:
        """Bring the version that waits into use, if one does."""
        self._some.clear()
        model, self._waiting = self._waiting, None
        if model is None or self._has(model):
            return
        loop = asyncio.get_running_loop()
        candidate = await loop.run_in_executor(self._executor, self._passed, model)
        if candidate is not None:
            self._inference.use(candidate)
            _LOG.info("version %d is installed", candidate.version)
        self._changed(self._inference.version)

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown(cancel_futures=True)

    def _has(self, model: Model) -> bool:
        return self._inference.digest == model.digest

    def _passed(self, model: Model) -> Candidate | None:
        """In the thread: the graph if it passed and is on the disk."""
        try:
            candidate = candidate_of(self._artifact, model)
            verdict = self._verdict(model, candidate)
            if verdict.passed:
                _LOG.info("version %d: %s", model.version, verdict.text)
                self._keep(candidate)
                return candidate
            reason = verdict.text
        except (ModelError, StorageError) as error:
            reason = str(error)
        finally:
            give_memory_back()
        version = self._inference.version
        stays = "nothing infers yet" if version is None else f"version {version} goes on"
        _LOG.error("version %d failed its check, %s: %s", model.version, stays, reason)
        return None

    def _keep(self, candidate: Candidate) -> None:
        try:
            self._kept.keep(candidate)
        except StorageError as error:
            # It is good all the same; after a power cut the one before infers for a moment.
            _LOG.error("version %d is not kept: %s", candidate.version, error)

    def _verdict(self, model: Model, candidate: Candidate) -> Verdict:
        spec = self._artifact.spec
        x, y, known = self._examples()
        normalised = model.normalisation.apply(x)
        missing = max(self._settings.min_examples - len(x), 0)
        if missing:
            made_up, _ = rehearsal(spec, np.random.default_rng(model.version), missing)
            normalised = np.concatenate([normalised, made_up])
            y = np.concatenate([y, empty_truth(spec, missing)])
            known = np.concatenate([known, np.zeros(missing, bool)])
        float_path = TrainableModel(self._artifact)
        float_path.restore(model.parameters)
        return judge(
            spec,
            self._settings,
            float_path.infer(normalised),
            candidate.runner.infer(normalised),
            y,
            known,
        )

    def _examples(self) -> tuple[NDArray[np.float32], NDArray[np.generic], NDArray[np.bool_]]:
        """The examples held back: x, y, and whether y is known."""
        classes = self._artifact.spec.classes
        with closing(self._open_examples()) as examples:
            ids, known = examples.held_back(classes)
            x, y = examples.batch(ids, classes)
        # Examples that went between the two reads would set labels and rows apart.
        return (x, y, known) if len(x) == len(known) else (x, y, np.zeros(len(x), bool))
