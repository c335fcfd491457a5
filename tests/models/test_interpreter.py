"""One import for two runtimes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from models import interpreter
from models.artifact import load_artifact
from models.errors import RuntimeMissingError


def test_opens_a_file_and_its_bytes_alike() -> None:
    path = load_artifact("heart-svm").train_path
    signatures = [
        interpreter.open_interpreter(source).get_signature_list()
        for source in (path, path.read_bytes())
    ]
    assert signatures[0] == signatures[1]
    assert set(signatures[0]) == {"train", "infer", "parameters", "restore"}


def test_says_what_it_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(interpreter, "import_module", absent)
    interpreter._runtime.cache_clear()
    try:
        with pytest.raises(RuntimeMissingError) as caught:
            interpreter.open_interpreter(Path("any.tflite"))
    finally:
        interpreter._runtime.cache_clear()
    assert caught.value.tried == ("tflite_runtime", "ai_edge_litert")


def test_the_runtimes_info_lines_are_kept_off_stderr_and_nothing_else(capfd) -> None:
    class Chatty:
        """A runtime that writes to the file descriptor, as C++ does."""

        def __init__(self, **_: object) -> None:
            os.write(2, b"INFO: Created a delegate\nERROR: something that matters\n")

        def allocate_tensors(self) -> None:
            os.write(2, b"INFO: and again\n")

    with interpreter._quiet:
        Chatty().allocate_tensors()
    assert capfd.readouterr().err == "ERROR: something that matters\n"
    os.write(2, b"INFO: afterwards\n")
    assert capfd.readouterr().err == "INFO: afterwards\n"
