"""The wire: what is encoded comes back, and nothing else is let in."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from enum import StrEnum
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol import messages, wire
from broker.protocol.cohort import MAX_COHORT, Cohort
from broker.protocol.errors import LocalProtocolError, RemoteProtocolError
from broker.protocol.messages import (
    AggregatorPresence,
    BlobReference,
    Chunk,
    ClockNotice,
    DeltaReference,
    GatewayPresence,
    IdentityConflict,
    LinkCodec,
    Mode,
    ModelAnnouncement,
    ModelBlob,
    ModelDelta,
    Plan,
    PlanKind,
    Receipt,
    ReceiptStatus,
    RoundAbandonment,
    SmallUpdate,
    TierMode,
    TrainingPlan,
    UpdateId,
    UpdateOffer,
    Want,
)

MESSAGES: list[type[Any]] = [
    AggregatorPresence,
    Chunk,
    ClockNotice,
    GatewayPresence,
    IdentityConflict,
    ModelAnnouncement,
    ModelBlob,
    ModelDelta,
    Plan,
    Receipt,
    RoundAbandonment,
    SmallUpdate,
    UpdateOffer,
    Want,
]
UPDATE = UpdateId("demo.3", 2, "ward-7", 5)
REFERENCE = BlobReference(b"d" * 32, 70_000, 32_768)
PLAN = Plan(
    epoch=4,
    plan="demo.3",
    kind=PlanKind.TRAIN,
    artifact=b"a" * 32,
    version=2,
    model=REFERENCE,
    cohort=Cohort.of(("ward-7", "ward-8")),
    codec="q8",
    training=TrainingPlan(1, 0.02, 0.9, 0.0),
    min_examples=32,
    deadline_unix_s=1_000_600.5,
    seed=7,
)
OFFER = UpdateOffer(UPDATE, "q8", 64, 0.25, REFERENCE)


def built(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a schema's type hint, within its bound but never large."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, bound = typing.get_args(hint)
        return bounded(inner, bound)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        (inner,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
        return st.none() | built(inner)
    if issubclass(hint, StrEnum):
        return st.sampled_from(list(hint))
    if hint is bool:
        return st.booleans()
    if hint is Cohort:  # random bytes are hardly ever sorted tags
        return st.sets(st.text(max_size=8), max_size=8).map(Cohort.of)
    hints = typing.get_type_hints(hint, include_extras=True)
    fields = {f.name: built(hints[f.name]) for f in dataclasses.fields(hint)}
    return st.fixed_dictionaries(fields).map(lambda made: sound(hint, made)).filter(bool)


def bounded(inner: Any, bound: wire.Bound) -> st.SearchStrategy[Any]:
    low, high = bound.low, bound.high
    if inner is float:
        return st.floats(low, high)
    if inner is int:
        return st.integers(int(low), int(high))
    lengths = {"min_size": int(low), "max_size": int(min(high, max(low, 40)))}
    if inner is str:
        return st.text(st.characters(exclude_categories=["Cs"]), **lengths)
    if inner is bytes:
        return st.binary(**lengths)
    return st.lists(built(typing.get_args(inner)[0]), min_size=int(low), max_size=4).map(tuple)


def sound(cls: type[Any], made: dict[str, Any]) -> Any:
    """The dataclass, or ``None`` where its own checks of several fields refuse them."""
    try:
        return cls(**made)
    except ValueError:
        return None


def test_every_message_that_is_declared_is_tested() -> None:
    declared = {cls for cls in vars(messages).values() if isinstance(cls, type)} & set(wire._KINDS)
    assert declared == set(MESSAGES)


@pytest.mark.parametrize("cls", MESSAGES)
def test_what_is_encoded_comes_back(cls: type[Any]) -> None:
    @given(built(cls))
    def round_trip(message: Any) -> None:
        assert wire.decode(wire.encode(message), cls) == message

    round_trip()


@pytest.mark.parametrize("cls", MESSAGES)
def test_any_bytes_decode_or_are_refused(cls: type[Any]) -> None:
    @given(st.binary(max_size=200))
    def refused(payload: bytes) -> None:
        with pytest.raises(RemoteProtocolError):
            wire.decode(payload, cls)

    refused()


@pytest.mark.parametrize("cls", MESSAGES)
def test_any_map_decodes_or_is_refused(cls: type[Any]) -> None:
    leaf = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats()
    leaf |= st.text(max_size=8) | st.binary(max_size=40)
    value = st.recursive(leaf, lambda v: st.lists(v, max_size=3), max_leaves=6)
    names = ["v", "t", *(f.name for f in dataclasses.fields(cls))]

    @given(st.dictionaries(st.sampled_from(names), value))
    def decodes_or_refused(body: dict[str, Any]) -> None:
        payload = cbor2.dumps({"v": 1, "t": wire._KINDS[cls]} | body, canonical=True)
        try:
            message = wire.decode(payload, cls)
        except RemoteProtocolError:
            return
        assert wire.decode(wire.encode(message), cls) == message

    decodes_or_refused()


@given(st.data())
def test_a_damaged_message_decodes_or_is_refused(data: st.DataObject) -> None:
    payload = bytearray(wire.encode(PLAN))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = wire.decode(bytes(payload), Plan)
    except RemoteProtocolError:
        return
    assert wire.decode(wire.encode(message), Plan) == message


def body(message: Any = PLAN) -> dict[str, Any]:
    found = cbor2.loads(wire.encode(message))
    assert isinstance(found, dict)
    return found


def changed(path: str, value: object, message: Any = PLAN) -> bytes:
    """A message's bytes with one field, by its dotted path, set to something else."""
    top = body(message)
    *parents, last = path.split(".")
    at: Any = top
    for parent in parents:
        at = at[parent]
    at[last] = value
    return cbor2.dumps(top, canonical=True)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("epoch", -1, "outside 0"),
        ("epoch", True, "expected int, found bool"),
        ("epoch", 1.0, "expected int, found float"),
        ("epoch", None, "expected int, found nothing"),
        ("plan", "", "length 0"),
        ("plan", "x" * 65, "length 65"),
        ("plan", b"demo.3", "expected str, found bytes"),
        ("kind", "guess", "one of statistics, train"),
        ("kind", ["train"], "one of statistics, train"),
        ("artifact", b"a" * 31, "length 31"),
        ("cohort", ["ward-7"], "expected a map, found list"),
        ("cohort.tags", "ward-7", "expected bytes, found str"),
        ("cohort.tags", b"w" * 100_001, "length 100001"),
        ("model", "whole", "expected a map"),
        ("training", [1, 0.02, 0.9, 0.0], "expected a map, found list"),
        ("training.momentum", math.nan, "not finite"),
        ("training.momentum", math.inf, "not finite"),
        ("training.momentum", "0.9", "expected a number, found str"),
        ("training.momentum", True, "expected a number, found bool"),
        ("training.momentum", 1.5, "outside 0 to 0.9999"),
        ("training.local_epochs", 0, "outside 1"),
        ("model.digest", "d" * 32, "expected bytes, found str"),
        ("model.size", 0, "outside 1"),
        ("seed", 2**63, "outside 0"),
        ("deadline_unix_s", -0.5, "outside 0"),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(path: str, value: object, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason) as caught:
        wire.decode(changed(path, value), Plan)
    assert (caught.value.message, caught.value.field) == ("plan", path)


def test_an_item_of_an_array_is_named_by_its_index() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        wire.decode(changed("training.modes", [{"tier": "head", "mode": "head"}, 8]), Plan)
    assert caught.value.field == "training.modes[1]"


def test_a_missing_field_is_named() -> None:
    top = body()
    del top["training"]["mu"]
    with pytest.raises(RemoteProtocolError, match="missing") as caught:
        wire.decode(cbor2.dumps(top, canonical=True), Plan)
    assert caught.value.field == "training.mu"


@pytest.mark.parametrize("name", ["surprise", "training.surprise"])
def test_an_unknown_field_is_named(name: str) -> None:
    with pytest.raises(RemoteProtocolError, match="unknown field 'surprise'"):
        wire.decode(changed(name, 1), Plan)


@pytest.mark.parametrize("version", [0, 2, 1.0, True, "1", None, "9" * 100_000])
def test_another_version_is_refused_in_few_words(version: object) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        wire.decode(changed("v", version), Plan)
    assert caught.value.field == "v"
    assert len(str(caught.value)) < 120


def test_another_kind_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="expected 'plan', found 'want'"):
        wire.decode(changed("t", "want"), Plan)


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="trailing"):
        wire.decode(wire.encode(PLAN) + b"\x00", Plan)


def test_fields_in_another_order_are_refused() -> None:
    top = dict(reversed(body().items()))
    with pytest.raises(RemoteProtocolError, match="not deterministic"):
        wire.decode(cbor2.dumps(top), Plan)


def test_a_longer_integer_than_needed_is_refused() -> None:
    payload = wire.encode(AggregatorPresence(5, b"k" * 32, online=True))
    assert payload.count(b"\x65birth\x05") == 1
    longer = payload.replace(b"\x65birth\x05", b"\x65birth\x18\x05")
    with pytest.raises(RemoteProtocolError, match="not deterministic"):
        wire.decode(longer, AggregatorPresence)


@pytest.mark.parametrize(
    "hexadecimal",
    [
        "c11a514b67b0",  # a date
        "c249010000000000000000",  # a big number
        "c482391fff01",  # a decimal fraction
        "c5821b7fffffffffffffff01",  # a bigfloat that would fill the memory
        "d82301",  # a regular expression that is none
        "d8236161",  # and one that is
        "d81c81d81d00",  # an array that holds itself
        "d90102810100",  # a set
        "d9d9f701",  # self-described CBOR
        "9f01ff",  # an indefinite array
        "bf616101ff",  # an indefinite map
        "7f6161ff",  # an indefinite text
        "5f4161ff",  # an indefinite byte string
        "a2616101616102",  # a key twice
        "5b7fffffffffffffff",  # a byte string of nine exabytes
        "9b7fffffffffffffff",  # an array of as many items
        "f7",  # undefined
        "81818181818181818181818181818100",  # deep
    ],
)
def test_what_cbor_can_do_and_we_do_not_is_refused(hexadecimal: str) -> None:
    item = bytes.fromhex(hexadecimal)
    for payload in (item, b"\xa1\x61a" + item, changed_raw(item)):
        with pytest.raises(RemoteProtocolError):
            wire.decode(payload, AggregatorPresence)


def changed_raw(item: bytes) -> bytes:
    """An aggregator's presence whose birth is this CBOR item."""
    payload = wire.encode(AggregatorPresence(5, b"k" * 32, online=True))
    return payload.replace(b"\x65birth\x05", b"\x65birth" + item)


@pytest.mark.parametrize("depth", [7, 100, 100_000])
def test_depth_is_bounded(depth: int) -> None:
    with pytest.raises(RemoteProtocolError, match="not CBOR"):
        wire.decode(b"\x81" * depth + b"\x00", Plan)


def test_a_message_that_is_too_large_is_not_looked_at() -> None:
    with pytest.raises(RemoteProtocolError, match="131073 bytes, limit 131072"):
        wire.decode(b"\x00" * (wire.MAX_MESSAGE_BYTES + 1), Plan)
    with pytest.raises(RemoteProtocolError, match="limit 131072"):
        wire.decode_any(b"\x00" * (wire.MAX_MESSAGE_BYTES + 1), (Plan,))


def test_the_largest_messages_are_sent() -> None:
    chunk = Chunk(b"d" * 32, messages.MAX_BLOB_BYTES, b"x" * messages.MAX_CHUNK_BYTES)
    assert len(wire.encode(chunk)) <= 128 * 1024
    link = LinkCodec("x" * 64, "c" * 64)
    plan = dataclasses.replace(
        PLAN,
        plan="p" * 64,
        cohort=Cohort.of(f"{i}" for i in range(MAX_COHORT)),
        links=(link,) * messages.MAX_LINKS,
        training=TrainingPlan(1, 0.02, 0.9, 0.0, modes=(TierMode("t" * 64, Mode.SPARSE),) * 16),
        deltas=(DeltaReference(2**40, b"b" * 32, REFERENCE),) * messages.MAX_DELTAS,
    )
    assert wire.decode(wire.encode(plan), Plan) == plan


def test_a_model_is_not_held_to_the_size_of_one_message() -> None:
    blob = ModelBlob(1, b"a" * 32, (0.0,), (1.0,), bytes(4 * 250_000))
    assert wire.decode(wire.encode(blob), ModelBlob) == blob


def test_a_blob_in_more_pieces_than_can_be_counted_is_refused() -> None:
    payload = changed("payload.chunk_bytes", 1, OFFER)
    with pytest.raises(RemoteProtocolError, match="70000 chunks") as caught:
        wire.decode(payload, UpdateOffer)
    assert caught.value.field == "payload"


@pytest.mark.parametrize(("kind", "model"), [("statistics", body()["model"]), ("train", None)])
def test_a_plan_has_a_model_exactly_when_it_trains(kind: str, model: object) -> None:
    top = body() | {"kind": kind, "model": model}
    with pytest.raises(RemoteProtocolError, match="model"):
        wire.decode(cbor2.dumps(top, canonical=True), Plan)


@pytest.mark.parametrize(
    "message",
    [
        dataclasses.replace(PLAN, epoch=-1),
        dataclasses.replace(PLAN, epoch=2**200),
        dataclasses.replace(PLAN, plan="x" * 65),
        dataclasses.replace(PLAN, plan="\ud800"),
        dataclasses.replace(PLAN, deadline_unix_s=math.nan),
        dataclasses.replace(OFFER, num_examples=0),
        dataclasses.replace(OFFER, loss=math.inf),
        dataclasses.replace(OFFER, codec=object()),
        Receipt(UPDATE, ReceiptStatus.STALE, detail="x" * 257),
        Chunk(b"d" * 32, 0, b""),
    ],
)
def test_what_no_peer_would_accept_is_not_sent(message: object) -> None:
    with pytest.raises(LocalProtocolError):
        wire.encode(message)


def test_only_messages_are_messages() -> None:
    with pytest.raises(LocalProtocolError, match="UpdateId is not a message"):
        wire.encode(UPDATE)
    with pytest.raises(LocalProtocolError, match="int is not a message"):
        wire.decode(b"\x00", int)


def test_a_schema_without_a_bound_is_refused_at_import() -> None:
    @dataclasses.dataclass
    class Unbounded:
        name: str

    with pytest.raises(LocalProtocolError, match="has no bound"):
        wire._dataclass_check(Unbounded)


def test_one_of_a_few_kinds_is_found_by_its_name() -> None:
    want = Want(UPDATE, b"d" * 32, b"\x07")
    assert wire.decode_any(wire.encode(want), (Receipt, Want)) == want


@pytest.mark.parametrize("payload", [wire.encode(PLAN), b"\xa0", b"\xa1at\x80", b"", b"\xff"])
def test_none_of_a_few_kinds_is_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        wire.decode_any(payload, (Receipt, Want))
