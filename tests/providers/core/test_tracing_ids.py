"""Tests of ids: they sort by time, are safe file names and convert to UUIDs and back."""

from __future__ import annotations

import re
import time
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier.providers.core.tracing import id_of, new_id, time_of, uuid_of


def test_an_id_is_a_version_7_uuid_of_now() -> None:
    id = new_id("img")
    assert re.fullmatch(r"img_[0-9a-hjkmnp-tv-z]{26}", id)
    uuid = uuid_of(id)
    assert uuid.version == 7
    assert uuid.variant == "specified in RFC 4122"
    assert abs(time_of(uuid) - time.time()) < 5


def test_ids_sort_by_time_and_do_not_repeat() -> None:
    early = new_id("img")
    time.sleep(0.002)
    assert early < new_id("img")
    assert len({new_id("img") for _ in range(1000)}) == 1000


@given(st.uuids())
def test_every_uuid_has_one_id_and_back(uuid: UUID) -> None:
    assert uuid_of(id_of("img", uuid)) == uuid


def test_ids_and_uuids_sort_alike() -> None:
    uuids = [uuid4() for _ in range(100)]
    assert [id_of("img", uuid) for uuid in sorted(uuids)] == sorted(id_of("img", uuid) for uuid in uuids)


@given(st.one_of(st.text(), st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=26, max_size=26)))
def test_other_text_is_not_an_id(letters: str) -> None:
    id = f"img_{letters}"
    try:
        assert id_of("img", uuid_of(id)) == id
    except ValueError:
        return


@pytest.mark.parametrize(
    "word", ["", "last", "img_", "img_x", "img_" + "z" * 26, "img_" + "0" * 27, "img_é" + "0" * 25]
)
def test_ids_with_a_wrong_character_are_refused(word: str) -> None:
    with pytest.raises(ValueError):
        uuid_of(word)
