from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import FrameError
from firmware_bridge.gatt.octets import MAX_ATTRIBUTE_OCTETS, OctetReader, OctetWriter
from firmware_bridge.sample import Absence


@given(
    st.datetimes(datetime(1582, 1, 1), datetime(9999, 12, 31)).map(
        lambda t: t.replace(microsecond=0)
    )
)
def test_civil_time_round_trip(moment: datetime) -> None:
    octets = OctetWriter()
    octets.civil_time(moment)
    assert OctetReader("x", octets.finish()).civil_time("time") == moment


@pytest.mark.parametrize(
    "raw", ["00000000000000", "e80700010c0000", "e80701000c0000", "0000050c0c0000"]
)
def test_a_time_without_year_month_or_day_is_no_error(raw: str) -> None:
    assert OctetReader("x", bytes.fromhex(raw)).civil_time("time") is Absence.CLOCK_NOT_SET


def test_the_reader_names_the_field_that_is_cut() -> None:
    octets = OctetReader("profile", b"\x01")
    with pytest.raises(FrameError, match="profile: sequence needs 2 octets, 1 left"):
        octets.u16("sequence")


def test_no_value_is_longer_than_an_attribute() -> None:
    with pytest.raises(FrameError, match="more than an attribute holds"):
        OctetReader("x", bytes(MAX_ATTRIBUTE_OCTETS + 1))
    octets = OctetWriter()
    octets.octets(bytes(MAX_ATTRIBUTE_OCTETS + 1))
    with pytest.raises(ValueError, match="more than an attribute holds"):
        octets.finish()


@pytest.mark.parametrize(
    ("field", "value", "count"), [("a", 256, 1), ("a", -1, 1), ("b", 65536, 2)]
)
def test_the_writer_names_the_field_that_does_not_fit(field: str, value: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"{field} {value} is outside of {count} unsigned"):
        OctetWriter().unsigned(field, value, count)


def test_the_writer_keeps_signed_fields_in_range() -> None:
    with pytest.raises(ValueError, match="outside of 2 signed"):
        OctetWriter().signed("offset", 0x8000, 2)
    with pytest.raises(ValueError, match="cannot say no-contact"):
        OctetWriter().scaled_u16("weight", Absence.NO_CONTACT, 10)
    with pytest.raises(ValueError, match=r"weight 70\.0 is above 50"):
        OctetWriter().scaled_u16("weight", 70.0, 200, most=10_000)
