import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.device_information import (
    PnpId,
    SystemId,
    decode_pnp_id,
    decode_system_id,
    encode_pnp_id,
    encode_system_id,
)
from firmware_bridge.profiles import profile

U16 = st.integers(0, 0xFFFF)


@given(st.builds(SystemId, st.integers(0, 2**40 - 1), st.integers(0, 2**24 - 1)))
def test_system_id_round_trip(system_id: SystemId) -> None:
    assert decode_system_id(encode_system_id(system_id)) == system_id


@given(st.builds(PnpId, st.sampled_from([1, 2]), U16, U16, U16))
def test_pnp_id_round_trip(pnp: PnpId) -> None:
    assert decode_pnp_id(encode_pnp_id(pnp)) == pnp


@given(st.text(max_size=60).filter(lambda text: not text.endswith("\0")))
def test_string_round_trip(text: str) -> None:
    model = profile("model_number")
    assert model.encode is not None
    assert model.decode(model.encode(text)) == text


def test_encode_refuses_what_is_no_unicode_or_too_long() -> None:
    model = profile("model_number")
    assert model.encode is not None
    for text in ("\ud800", "x" * 513):
        with pytest.raises(ValueError, match=r"more than an attribute|surrogates"):
            model.encode(text)
