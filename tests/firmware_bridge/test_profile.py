from datetime import datetime

from firmware_bridge.profile import json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence


def test_json_leaves_out_what_was_not_sent_and_explains_what_is_absent() -> None:
    shown = json_fields(
        rate=72,
        energy=None,
        spo2=Absence.NO_CONTACT,
        weight=Quantity(70.0, "kg"),
        at=datetime(2024, 2, 29, 12),
        rr=((1, 2), (3, 4)),
    )
    assert shown == {
        "rate": 72,
        "spo2": None,
        "weight": 70.0,
        "at": "2024-02-29T12:00:00",
        "rr": [[1, 2], [3, 4]],
        "absent": {"spo2": "no-contact"},
    }
