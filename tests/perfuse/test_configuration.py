"""Configuration files: what is wrong is named with file, line and key."""

from __future__ import annotations

import pytest

from broker.aggregator.settings import ServiceSettings
from edge_agent.settings import AgentSettings
from perfuse.configuration import ConfigurationError, load
from perfuse.demo.stage import to_toml

GOOD = """\
population = "ward"
gateway = "bed-12"
model = "shoulder-cnn1d"
state_dir = "/var/lib/perfuse"

[broker]
url = "mqtts://broker.example.org"

[[sensor]]
name = "watch"
port = "/dev/ttyUSB0"

[[sensor]]
name = "strap"
port = "/dev/ttyUSB1"
baudrate = 9600

[alert]
classes = ["PEN"]
min_probability = 1
"""


@pytest.fixture
def write(tmp_path):
    """Write a configuration and return its path."""

    def write(text):
        path = tmp_path / "agent.toml"
        path.write_text(text)
        return path

    return write


def test_reads_tables_arrays_and_defaults(write):
    settings = load(write(GOOD), AgentSettings)
    assert settings.broker.addresses == (("broker.example.org", 8883),)
    assert [(s.name, s.baudrate) for s in settings.sensor] == [("watch", 0), ("strap", 9600)]
    assert settings.alert.classes == ("PEN",)
    assert settings.alert.min_probability == 1.0
    assert settings.window.max_gap == 5


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("population =", "populaton ="), 1, "unknown key 'populaton'; did you mean 'population'"),
        (("baudrate = 9600", "baud = 9600"), 16, "unknown key 'sensor.baud'"),
        (("baudrate = 9600", 'baudrate = "fast"'), 16, "expected a whole number, found a text"),
        (("baudrate = 9600", "baudrate = 1"), 16, "sensor.baudrate: 1 is outside 300 to 4e+06"),
        (("baudrate = 9600", "baudrate = true"), 16, "expected a whole number, found true or"),
        (('port = "/dev/ttyUSB1"\n', ""), 13, "sensor.port: a serial sensor needs one"),
        (('gateway = "bed-12"', 'gateway = "bed 12"'), 2, "gateway 'bed 12': use 1 to 64 of"),
        (("mqtts://broker", "http://broker"), 7, "broker.url: 'http://broker"),
        (('classes = ["PEN"]', "classes = [1]"), 19, "alert.classes: expected a text"),
        (('"ward"', '"ward"\nwindow = 1'), 2, "window: expected a table, found a whole number"),
        (("state_dir = ", "state_dir = = "), 4, "not TOML"),
        (('name = "strap"', 'name = "watch"'), 9, "two sensors have one name"),
    ],
)
def test_names_file_line_and_key(write, change, line, words):
    path = write(GOOD.replace(*change))
    with pytest.raises(ConfigurationError) as caught:
        load(path, AgentSettings)
    assert caught.value.line == line
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_key_of_the_whole_file_names_it(write):
    with pytest.raises(ConfigurationError, match="missing key 'gateway'"):
        load(write('population = "ward"'), AgentSettings)


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(ConfigurationError, match="No such file"):
        load(tmp_path / "none.toml", AgentSettings)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load(tmp_path / "binary.toml", AgentSettings)


def test_rounds_that_cannot_be_are_refused_by_key(write):
    text = 'population = "p"\nmodel = "m"\nstate_dir = "s"\n[rounds]\nmin_reports = 3\ncohort = 2\n'
    with pytest.raises(ConfigurationError, match=r"rounds\.min_reports: more than the cohort") as e:
        load(write(text), ServiceSettings)
    assert e.value.line == 5


def test_what_the_demo_writes_is_read_back(write):
    table = {
        "population": "ward",
        "gateway": "bed-12",
        "model": "m",
        "state_dir": 'a "quoted" \\ path',
        "broker": {"url": "mqtt://u:p@localhost:1", "keepalive_s": 5},
        "sensor": [{"name": "a", "port": "/dev/a"}, {"name": "b", "port": "/dev/b"}],
        "alert": {"classes": ["X"], "min_probability": 0.5},
    }
    settings = load(write(to_toml(table)), AgentSettings)
    assert settings.state_dir == table["state_dir"]
    assert [sensor.port for sensor in settings.sensor] == ["/dev/a", "/dev/b"]
    assert settings.broker.credentials() == ("u", "p")
