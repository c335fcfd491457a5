"""The text of a codec: read strictly, written canonically."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.compression import DEFAULT_CODEC, Chain, parse_chain
from broker.protocol.compression.quantization import Grid
from broker.protocol.errors import LocalProtocolError
from tests.broker.protocol.compression.chains import CHAINS

SHARES = st.integers(10, 1_000_000).map(lambda n: n / 1_000_000)


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    picked = draw(st.sampled_from(("all", "top", "random")))
    grid = draw(st.sampled_from(Grid))
    feedback = draw(st.booleans())
    return Chain(
        clip=draw(st.none() | st.integers(1, 10**12).map(lambda n: n / 10**6)),
        residual=feedback,
        keep=draw(SHARES) if feedback else 1.0,
        top=draw(SHARES) if picked == "top" else None,
        random=draw(SHARES) if picked == "random" else None,
        rotate=picked != "top" and draw(st.booleans()),
        grid=grid,
        block=256 if grid is Grid.FLOAT32 else 1 << draw(st.integers(0, 20)),
        golomb=(picked == "top" or grid is not Grid.FLOAT32) and draw(st.booleans()),
    )


@given(chains())
def test_a_chain_is_read_back_from_its_text(chain: Chain) -> None:
    text = str(chain)
    if len(text) <= 64:
        assert parse_chain(text) == chain


@pytest.mark.parametrize("text", [*CHAINS, DEFAULT_CODEC])
def test_these_texts_are_canonical(text: str) -> None:
    assert str(parse_chain(text)) == text


def test_numbers_have_one_way_to_be_written() -> None:
    assert str(parse_chain("topk=0.0100|ternary=256|golomb")) == "topk=0.01|ternary|golomb"
    assert str(parse_chain("residual=1.0|q8")) == "residual|q8"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' is no stage"),
        ("zip", "there is no stage 'zip'; there are clip, residual, topk, randk, rotate, sign"),
        ("none|q8", "no stage 'none'"),
        ("q8|topk=0.1", "'topk' is twice, or too late"),
        ("q8|q8", "'q8' is twice"),
        ("q8|q4", "'q4' is twice"),
        ("topk=0.1|randk=0.1", "'randk' is twice"),
        ("topk", "'topk' needs a number"),
        ("topk=0", "topk=0 is outside 1e-05 to 1"),
        ("topk=1.5", "topk=1.5 is outside"),
        ("topk=-0.1", "is no stage"),
        ("topk=1e-3", "is no stage"),
        ("topk=nan", "is no stage"),
        ("clip=0", "clip=0 is outside"),
        ("clip=9999999", "clip=9999999 is outside"),
        ("residual=0", "residual=0 is outside 1e-05 to 1"),
        ("residual=1.1", "residual=1.1 is outside"),
        ("golomb=1", "'golomb' takes no number"),
        ("q8=0", "a block is a whole number"),
        ("q8=2.5", "a block is a whole number"),
        ("q8=1048577", "a block is a whole number"),
        ("topk=0.1|rotate|q8", "'rotate' would spread again"),
        ("rotate|q8=100", "a power of two"),
        ("golomb", "nothing to code"),
        ("Q8", "is no stage"),
        ("q8 ", "is no stage"),
        ("q8|", "'' is no stage"),
        ("q8|" * 30, "90 letters"),
    ],
)
def test_what_is_no_chain_is_refused_by_its_stage(text: str, reason: str) -> None:
    with pytest.raises(LocalProtocolError, match=reason.replace("|", r"\|")):
        parse_chain(text)


@given(st.text(max_size=70))
def test_any_text_is_a_chain_or_refused(text: str) -> None:
    try:
        chain = parse_chain(text)
    except LocalProtocolError:
        return
    assert parse_chain(str(chain)) == chain


@pytest.mark.parametrize(
    ("text", "unbiased"),
    [
        ("none", True),
        ("q4|golomb", True),
        ("randk=0.1|rotate|ternary", True),
        ("residual|q8", True),
        ("clip=1|q8", False),
        ("topk=0.1", False),
        ("sign", False),
        ("residual|randk=0.1", False),
    ],
)
def test_a_chain_knows_whether_it_is_unbiased(text: str, unbiased: bool) -> None:
    assert parse_chain(text).unbiased is unbiased
