"""Compiles the C library once for all its tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.firmware_bridge.firmware.compiled import (
    COMPILER,
    HERE,
    SANITIZED,
    Driver,
    compile_c,
    sources,
)


@pytest.fixture(scope="package")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The library with its driver, under the address and undefined-behaviour sanitizers."""
    if COMPILER is None:
        pytest.skip("gcc is not installed: the firmware library is not compiled")
    program = tmp_path_factory.mktemp("firmware") / "driver"
    compile_c(program, *SANITIZED, HERE / "driver.c", *sources())
    driven = Driver(program)
    driven.fresh()
    yield driven
    driven.close()
