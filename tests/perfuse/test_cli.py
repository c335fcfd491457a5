"""The command line: help, exit codes, and a sentence instead of a traceback."""

from __future__ import annotations

import io
import json

import pytest

from perfuse.cli import main
from perfuse.exit_codes import ExitCode

COMMANDS = [
    [],
    ["demo"],
    ["simulate"],
    ["agent"],
    ["aggregator"],
    ["models"],
    ["models", "build"],
    ["sensors"],
    ["sensors", "scan"],
    ["sensors", "list"],
    ["sensors", "watch"],
    ["sensors", "record"],
    ["sensors", "replay"],
    ["sensors", "convert"],
    ["sensors", "decode"],
    ["sensors", "simulate"],
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == ExitCode.OK
    text = capsys.readouterr().out
    assert text.startswith(" ".join(["usage: perfuse", *command]))
    assert max(map(len, text.splitlines())) <= 100


def test_every_exit_code_is_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for code in ExitCode:
        assert f"\n  {code.value} " in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["agent", "--config", "{tmp}/none.toml"], ExitCode.CONFIG, "none.toml: No such file"),
        (["agent", "--config", "{tmp}/bad.toml"], ExitCode.CONFIG, "bad.toml:1: unknown key 'x'"),
        (["aggregator", "--config", "{tmp}/bad.toml"], ExitCode.CONFIG, "bad.toml:1: unknown"),
        (["agent", "--config", "{tmp}/nomodel.toml"], ExitCode.DATA, "nowhere: is neither"),
        (["agent", "--config", "{tmp}/nochannel.toml"], ExitCode.CONFIG, "no channel 'hr'; it has"),
        (["models", "inspect", "nowhere"], ExitCode.DATA, "nowhere: is neither a folder nor"),
        (["simulate", "--data", "{tmp}/none.npz", "--model", "heart-mlp"], ExitCode.DATA, "none"),
        (["simulate", "--data", "{tmp}/bad.toml", "--model", "heart-mlp"], ExitCode.DATA, "bad"),
        (["sensors", "decode", "{tmp}/none.jsonl"], ExitCode.DATA, "none.jsonl: No such"),
        (["demo", "--out", "{tmp}"], ExitCode.FAILED, "is not empty and not a demo's"),
        (["demo", "--codec", "zip"], ExitCode.CONFIG, "codec 'zip': there is no stage 'zip'"),
    ],
)
def test_a_users_mistake_is_one_sentence(arguments, code, words, tmp_path, capsys):
    (tmp_path / "bad.toml").write_text("x = 1\n")
    (tmp_path / "nomodel.toml").write_text(
        'population = "p"\ngateway = "g"\nmodel = "nowhere"\nstate_dir = "s"\n'
    )
    (tmp_path / "nochannel.toml").write_text(
        'population = "p"\ngateway = "g"\nmodel = "hmp-cnn1d"\nstate_dir = "s"\n'
        '[[quality.channel]]\nname = "hr"\n'
    )
    found = main([argument.replace("{tmp}", str(tmp_path)) for argument in arguments])
    captured = capsys.readouterr()
    assert found == code
    assert words in captured.err
    assert captured.err.startswith(f"perfuse {arguments[0]}: ")
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate"],
        ["simulate", "--data", "x", "--model", "m", "--holdout", "2"],
        ["simulate", "--data", "x", "--model", "m", "--rounds", "no"],
        ["demo", "--gateways", "9"],
        ["nothing"],
        ["models", "build", "--arch", "cnn1d", "--input", "200by6", "--out", "x"],
    ],
)
def test_wrong_options_end_with_2(arguments, capsys):
    try:
        code = main(arguments)
    except SystemExit as error:
        code = error.code
    assert code == ExitCode.USAGE
    assert "Traceback" not in capsys.readouterr().err


def test_check_says_that_a_configuration_is_good(tmp_path, capsys):
    path = tmp_path / "agent.toml"
    path.write_text('population = "p"\ngateway = "g"\nmodel = "heart-mlp"\nstate_dir = "s"\n')
    assert main(["agent", "--config", str(path), "--check"]) == ExitCode.OK
    assert capsys.readouterr().out == f"{path}: good\n"


def test_models_are_listed_and_inspected(capsys):
    assert main(["models", "list"]) == ExitCode.OK
    assert "shoulder-cnn1d" in capsys.readouterr().out
    assert main(["models", "inspect", "shoulder-cnn1d"]) == ExitCode.OK
    text = capsys.readouterr().out
    assert "ax [g]" in text
    assert "conv1.weight" in text


def test_frames_are_decoded_line_by_line(monkeypatch, capsys):
    lines = '{"profile": "HR_2A37", "hex": "164d1603"}\n\n{"profile": "HR_2A37", "hex": ""}\nx\n'
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert main(["sensors", "decode"]) == ExitCode.OK
    good, empty, malformed = map(json.loads, capsys.readouterr().out.splitlines())
    assert good["heart_rate"] == 77
    assert good["rr_1024"] == [790]
    assert "error" in empty
    assert "error" in malformed
