"""A module that is put off loads at its first use, and is then the module itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_the_link_leaves_http_and_mail_where_they_are() -> None:
    _run(
        "import sys, broker.link\n"
        "assert not {'http.client', 'email'} & set(sys.modules), 'loaded at start'\n"
    )


@pytest.mark.parametrize(
    "use",
    [
        "import urllib.request; found = urllib.request.getproxies",
        "from urllib.request import getproxies as found",
        "import urllib; found = urllib.request.getproxies",
    ],
)
def test_the_first_use_brings_the_real_module(use: str) -> None:
    _run(
        "import sys\n"
        "from broker.lazy_import import import_lazily\n"
        "import_lazily('urllib.request')\n"
        "import urllib.request as kept\n"
        f"{use}\n"
        "assert sys.modules['urllib.request'].getproxies is found is kept.getproxies\n"
        "assert not hasattr(kept, 'nothing_of_the_name')\n"
        "assert 'http.client' in sys.modules\n"
    )


def test_a_module_that_is_there_stays() -> None:
    _run(
        "import sys, json.tool as before\n"
        "from broker.lazy_import import import_lazily\n"
        "import_lazily('json.tool')\n"
        "assert sys.modules['json.tool'] is before\n"
    )
