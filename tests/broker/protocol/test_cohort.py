"""A cohort knows who is in it, in five bytes a gateway."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.cohort import TAG_BYTES, Cohort

NAMES = st.sets(st.text("abc-019", min_size=1, max_size=6), max_size=30)


@given(NAMES, NAMES)
def test_who_is_in_it_is_and_nobody_else(inside: set[str], outside: set[str]) -> None:
    cohort = Cohort.of(inside)
    assert len(cohort) == len(inside)
    assert len(cohort.tags) == TAG_BYTES * len(inside)
    assert all(name in cohort for name in inside)
    assert not any(name in cohort for name in outside - inside)


@given(NAMES)
def test_the_order_of_names_does_not_matter(names: set[str]) -> None:
    assert Cohort.of(sorted(names)) == Cohort.of(sorted(names, reverse=True))


def test_tags_are_the_first_bytes_of_sha_256() -> None:
    # FIPS 180-2, appendix B.1: SHA-256 of "abc" is ba7816bf 8f01cfea ...
    assert Cohort.of(("abc",)).tags == bytes.fromhex("ba7816bf8f")


@pytest.mark.parametrize(
    ("tags", "words"),
    [(b"1234", "4 bytes"), (b"22222" * 2, "twice"), (b"22222" + b"11111", "not sorted")],
)
def test_other_bytes_are_refused(tags: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Cohort(tags)
