"""The model versions that a gateway holds, verified, and the one that it infers with."""

from __future__ import annotations

import hashlib

from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import BlobReference
from broker.protocol.model_blob import unpack_model
from broker.protocol.model_delta import step_model
from edge_agent.effects import Identity, Model
from edge_agent.journal import Journal


class ModelShelf:
    """Models in the journal; only the installed one is kept in memory too."""

    def __init__(self, identity: Identity, journal: Journal) -> None:
        self._identity = identity
        self._journal = journal
        self.installed: Model | None = None
        self.flaw = ""
        self._behind = False
        stored = journal.latest_model()
        try:
            self.installed = None if stored is None else self._unpack(*stored)
        except RemoteProtocolError as error:
            self.flaw = f"the stored model is not usable: {error}"

    @property
    def version(self) -> int | None:
        """The version that is installed."""
        return None if self.installed is None else self.installed.version

    def held(self, reference: BlobReference) -> Model | None:
        """Return a model that is here already.

        Raises:
            RemoteProtocolError: what is stored under this digest is no model of ours.
        """
        if self.installed is not None and self.installed.digest == reference.digest:
            return self.installed
        blob = self._journal.model(reference.digest)
        return None if blob is None else self._unpack(reference.digest, blob)

    def keep(self, digest: bytes, blob: bytes) -> None:
        """Verify a blob that has come in, and write it down.

        Raises:
            RemoteProtocolError: it is no model of this artifact.
        """
        model = self._unpack(digest, blob)
        self._journal.keep_model(model.version, digest, blob)

    def holds(self, digest: bytes) -> bool:
        """Whether a version was kept."""
        return self._journal.holds_model(digest)

    def step(self, delta: bytes, base: bytes, digest: bytes) -> None:
        """Apply a step to the version with the digest ``base``, and write down what it gives.

        Raises:
            RemoteProtocolError: the base is not whole, the step is not one from it, or it gives
                something else than the blob with this digest; nothing was written.
        """
        blob = self._journal.model(base)
        if blob is None:
            raise RemoteProtocolError("model-delta", "base", "the version held is not whole")
        made = step_model(blob, delta, self._identity.shared(0).layout)
        if hashlib.sha256(made).digest() != digest:
            raise RemoteProtocolError("model-delta", "payload", "gives another model than promised")
        self.keep(digest, made)

    def announced(self, version: int) -> str:
        """Take the number of the aggregator's newest version; says so, once, if it has gone back.

        What infers does not go back with it: it goes on until there is a higher one. Steps and
        plans are by digest, and know no order.
        """
        behind = self.version is not None and version < self.version
        said, self._behind = self._behind, behind
        if not behind or said:
            return ""
        self._journal.forget_control_variate()
        return (
            f"the aggregator has gone back to version {version}: its state was lost, or restored "
            f"from a backup. Version {self.version} goes on to infer until there is a higher one"
        )

    def install(self, model: Model) -> bool:
        """Infer with this version from now on, unless the one that is installed is as new."""
        if self.installed is not None and model.version <= self.installed.version:
            return False
        self.installed = model
        return True

    def _unpack(self, digest: bytes, blob: bytes) -> Model:
        identity = self._identity
        return Model(digest, *unpack_model(blob, identity.artifact, identity.parameters))
