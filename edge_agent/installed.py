"""The version that infers, as one file: there after a power cut, before any link."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from broker.protocol import wire
from broker.protocol.errors import ProtocolError
from broker.protocol.messages import MAX_CHANNELS, Counter, Digest
from broker.protocol.wire import Bound, message_type
from edge_agent.errors import StorageError
from edge_agent.inference import Candidate, open_candidate
from models.artifact import Artifact
from models.errors import ModelError
from models.normalisation import Normalisation

# The graph holds a byte a parameter and its bounds; the largest artifact makes some 5 MB of it.
_MAX_GRAPH_BYTES = 64 << 20
_DIGEST_BYTES = 32
_Number = Annotated[float, Bound(-1e30, 1e30)]


@message_type("installed-model", _MAX_GRAPH_BYTES + 65_536)
@dataclass(frozen=True, slots=True)
class InstalledModel:
    """What the file holds after its own SHA-256: a rewritten int8 graph, and what it is of."""

    version: Counter
    model: Digest
    artifact: Digest
    mean: Annotated[tuple[_Number, ...], Bound(0, MAX_CHANNELS)]
    std: Annotated[tuple[_Number, ...], Bound(0, MAX_CHANNELS)]
    graph: Annotated[bytes, Bound(1, _MAX_GRAPH_BYTES)]


class InstalledFile:
    """Keeps the last version that passed its check; the one before stays until it is replaced."""

    def __init__(self, path: Path, artifact: Artifact) -> None:
        self._path = path
        self._artifact = artifact

    def keep(self, candidate: Candidate) -> None:
        """Replace what is there, whole or not at all, and on the disk when this returns.

        Raises:
            StorageError: the disk is full or failing; what was there is still there.
        """
        known = candidate.normalisation
        found = InstalledModel(
            candidate.version,
            candidate.digest,
            bytes.fromhex(self._artifact.spec.digest),
            known.mean,
            known.std,
            candidate.graph,
        )
        payload = wire.encode(found)
        draft = self._path.with_name(self._path.name + ".part")
        try:
            with draft.open("wb") as file:
                file.write(hashlib.sha256(payload).digest() + payload)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            _sync_directory(self._path.parent)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise StorageError(self._path, error.strerror or str(error)) from error

    def load(self) -> Candidate | None:
        """Return what was kept, ready to infer; ``None`` when nothing was, or for another artifact.

        Raises:
            StorageError: the file cannot be read or is damaged; the journal's model replaces it.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(self._path, error.strerror or str(error)) from error
        if hashlib.sha256(data[_DIGEST_BYTES:]).digest() != data[:_DIGEST_BYTES]:
            raise StorageError(self._path, "is damaged")
        try:
            found = wire.decode(data[_DIGEST_BYTES:], InstalledModel)
            if found.artifact != bytes.fromhex(self._artifact.spec.digest):
                return None
            known = Normalisation(found.mean, found.std)
            return open_candidate(self._artifact, found.version, found.model, known, found.graph)
        except (ProtocolError, ModelError) as error:
            raise StorageError(self._path, f"is not usable: {error}") from error


def _sync_directory(path: Path) -> None:
    """A rename is durable when its directory is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
