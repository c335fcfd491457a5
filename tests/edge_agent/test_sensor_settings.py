"""What a configuration may say of a Bluetooth sensor."""

import pytest

from broker.settings import SettingError
from edge_agent.sensor_settings import SensorSettings
from edge_agent.settings import AgentSettings

ADDRESS = "F1:00:00:00:00:07"


def ble(name="strap", **options):
    return SensorSettings(name, **({"kind": "ble", "profile": "heart_rate"} | options))


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"profile": ""}, "sensor.profile"),
        ({"profile": "hart_rate"}, "sensor.profile"),
        ({"profile": "model_number"}, "sensor.profile"),
        ({"profile": "nonin_df2"}, "sensor.profile"),
        ({"port": "/dev/ttyUSB0"}, "sensor.port"),
        ({"address": "F1:00:00:00:00"}, "sensor.address"),
        ({"address": "strap"}, "sensor.address"),
        ({"adapter": "usb0"}, "sensor.adapter"),
        ({"adapter": "virtual:somewhere"}, "sensor.adapter"),
        ({"interval_s": -1.0}, "sensor.interval_s"),
        ({"kind": "radio"}, "sensor.kind"),
    ],
)
def test_a_wrong_ble_sensor_is_refused_by_its_key(options, key):
    with pytest.raises(SettingError) as caught:
        ble(**options)
    assert caught.value.key == key


def test_a_serial_sensor_needs_a_port():
    with pytest.raises(SettingError) as caught:
        SensorSettings("watch")
    assert caught.value.key == "sensor.port"


def agent(*sensors):
    return AgentSettings("population", "gateway", "model", "state", sensor=sensors)


@pytest.mark.parametrize(
    "sensors",
    [
        (ble("one"), ble("two")),
        (ble("one", address=ADDRESS), ble("two")),
        (ble("one", profile="HR_2A37"), ble("two")),
        (ble("one", address=ADDRESS), ble("two", profile="battery", address=ADDRESS.lower())),
    ],
)
def test_sensors_that_could_be_taken_for_each_other_are_refused(sensors):
    with pytest.raises(SettingError) as caught:
        agent(*sensors)
    assert caught.value.key == "sensor.address"


def test_sensors_apart_are_accepted():
    agent(ble("one", address=ADDRESS), ble("two", profile="health_thermometer"))
