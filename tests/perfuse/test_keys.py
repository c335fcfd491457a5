"""`perfuse keys` on the state of real services."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from broker.aggregator.round_log import RoundLog
from broker.keys import load_or_make_seed
from broker.protocol.signing import Ed25519Signer
from models.artifact import load_artifact
from perfuse.cli import main
from perfuse.exit_codes import ExitCode

SHARED = 'population = "ward"\nmodel = "heart-logistic"\n'


def config(tmp_path: Path, gateway: str = "") -> Path:
    path = tmp_path / "config.toml"
    named = f'gateway = "{gateway}"\n' if gateway else ""
    path.write_text(f'{SHARED}{named}state_dir = "{tmp_path / "state"}"\n')
    return path


@pytest.mark.parametrize("gateway", ["", "bed-1"])
def test_the_public_key_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], gateway: str
) -> None:
    command = ["keys", "show", "--config", str(config(tmp_path, gateway))]
    for _ in range(2):
        assert main(command) == ExitCode.OK
    seed = load_or_make_seed(tmp_path / "state" / "key")
    assert capsys.readouterr().out == 2 * f"{Ed25519Signer(seed).public.hex()}\n"


def test_pinned_keys_are_listed_and_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(config(tmp_path))
    (tmp_path / "state").mkdir()
    digest = bytes.fromhex(load_artifact("heart-logistic").spec.digest)
    with closing(RoundLog(tmp_path / "state" / "rounds.sqlite", "ward", digest)) as log:
        log.pin_gateway_key("bed-1", b"1" * 32)
    assert main(["keys", "pinned", "--config", path]) == ExitCode.OK
    assert capsys.readouterr().out == f"bed-1 {'31' * 32}\n"
    forget = ["keys", "forget", "--config", path, "--gateway", "bed-1"]
    assert [main(forget), main(forget)] == [ExitCode.OK, ExitCode.FAILED]


def test_a_users_mistakes_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "show", "--config", str(tmp_path / "none.toml")]) == ExitCode.CONFIG
    path = config(tmp_path)
    (tmp_path / "state").write_text("a file")
    assert main(["keys", "show", "--config", str(path)]) == ExitCode.STATE
    assert main(["keys", "pinned", "--config", str(path)]) == ExitCode.STATE
    assert "Traceback" not in capsys.readouterr().err
