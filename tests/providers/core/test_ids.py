"""Ids sort by time, are file names everywhere, and are UUIDs in other letters."""

from __future__ import annotations

import re
import time
from uuid import UUID

from atelier.providers.core.ids import LETTERS, new_id


def test_an_id_is_a_version_7_uuid_of_now() -> None:
    id = new_id("img")
    assert re.fullmatch(r"img_[0-9a-hjkmnp-tv-z]{26}", id)
    number = 0
    for letter in id.removeprefix("img_"):
        number = number << 5 | LETTERS.index(letter)
    uuid = UUID(int=number)
    assert uuid.version == 7
    assert uuid.variant == "specified in RFC 4122"
    assert abs((uuid.int >> 80) / 1000 - time.time()) < 5


def test_ids_sort_by_time_and_do_not_repeat() -> None:
    early = new_id("img")
    time.sleep(0.002)
    assert early < new_id("img")
    assert len({new_id("img") for _ in range(1000)}) == 1000
