from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.record_access import (
    Bound,
    Filter,
    OpCode,
    Operator,
    RecordAccess,
    RecordCount,
    RecordRequest,
    RecordResponse,
    decode,
    encode,
)

U16 = st.integers(0, 0xFFFF)
ASKING = st.sampled_from([OpCode.REPORT_RECORDS, OpCode.DELETE_RECORDS, OpCode.REPORT_COUNT])
NOON = datetime(2024, 2, 29, 12)


@st.composite
def bounded(draw: st.DrawFn) -> RecordRequest:
    operator = draw(st.sampled_from([Operator.AT_MOST, Operator.AT_LEAST, Operator.WITHIN]))
    count = 2 if operator is Operator.WITHIN else 1
    filtered = draw(st.sampled_from(Filter))
    bound: st.SearchStrategy[Bound] = (
        U16 if filtered is Filter.SEQUENCE_OR_MINUTES else st.just(NOON)
    )
    bounds = draw(st.lists(bound, min_size=count, max_size=count))
    return RecordRequest(draw(ASKING), operator, filtered, tuple(bounds))


UNBOUNDED = st.builds(
    RecordRequest, ASKING, st.sampled_from([Operator.ALL, Operator.FIRST, Operator.LAST])
)
ABORT = st.just(RecordRequest(OpCode.ABORT, Operator.NULL))
ANSWERS = st.builds(RecordCount, U16) | st.builds(
    RecordResponse, st.integers(0, 255), st.integers(0, 255)
)


@given(bounded() | UNBOUNDED | ABORT | ANSWERS)
def test_round_trip(access: RecordAccess) -> None:
    assert decode(encode(access)) == access


@pytest.mark.parametrize(
    "access",
    [
        RecordRequest(OpCode.COUNT, Operator.ALL),
        RecordRequest(OpCode.ABORT, Operator.ALL),
        RecordRequest(OpCode.REPORT_RECORDS, Operator.NULL),
        RecordRequest(OpCode.REPORT_RECORDS, Operator.AT_LEAST),
        RecordRequest(OpCode.REPORT_RECORDS, Operator.AT_LEAST, None, (5,)),
        RecordRequest(OpCode.REPORT_RECORDS, Operator.AT_LEAST, Filter.USER_TIME, (5,)),
        RecordRequest(OpCode.REPORT_RECORDS, Operator.ALL, Filter.USER_TIME, (NOON,)),
        RecordCount(0x10000),
    ],
)
def test_encode_refuses_what_is_no_request(access: RecordAccess) -> None:
    with pytest.raises(ValueError, match=r"no request|with operator|bounds|another filter|outside"):
        encode(access)
