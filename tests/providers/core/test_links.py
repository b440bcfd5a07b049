"""Our own links: the right ones lead to an id, a neighbour's and a stranger's to nothing."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier.providers.core.ids import id_of, new_id, uuid_of
from atelier.providers.core.links import own_links, strangers

ID = new_id("img")
PATH = f"customers/7/assets/image/{uuid_of(ID)}.png"
own = own_links(("https://cdn.example.com/art/", "https://s3.example.com/bucket", "https://b.s3.example.com"), "7")


@given(st.uuids())
def test_an_id_and_a_uuid_are_the_same_number(uuid: UUID) -> None:
    assert uuid_of(id_of(uuid)) == uuid


def test_what_is_no_id_has_no_uuid() -> None:
    for words in ("", "img_", "img_" + "0" * 25, "img_" + "u" * 26, "img_" + "8" + "0" * 25, ID.upper()):
        with pytest.raises(ValueError, match="not an id"):
            uuid_of(words)
    assert uuid_of(ID).version == 7


@pytest.mark.parametrize(
    "url",
    [
        f"https://cdn.example.com/art/{PATH}",
        f"https://CDN.example.com/art/{PATH}?v=1#x",
        f"https://s3.example.com/bucket/{PATH}?X-Amz-Expires=60&X-Amz-Signature=abc",
        f"https://s3.example.com/bucket/prefix/{PATH}",
        f"https://b.s3.example.com/{PATH.replace('/', '%2F')}",
    ],
)
def test_a_link_below_one_of_our_addresses_is_ours(url: str) -> None:
    assert own(url) == ID
    assert strangers(url) is None


@pytest.mark.parametrize(
    "url",
    [
        f"https://cdn.example.com/{PATH}",
        f"http://cdn.example.com/art/{PATH}",
        f"https://cdn.example.com.evil.example/art/{PATH}",
        f"https://evil.example/art/{PATH}",
        f"https://cdn.example.com@evil.example/art/{PATH}",
        f"https://cdn.example.com/art/{PATH.replace('/7/', '/8/')}",
        f"https://cdn.example.com/art/{PATH.replace('.png', '')}",
        f"https://cdn.example.com/art/{PATH}/../x.png",
        "https://cdn.example.com/art/customers/7/assets/image/" + "-" * 36 + ".png",
        "https://[broken/",
        "https://cdn.example.com/art/%ff",
    ],
)
def test_any_other_is_a_strangers(url: str) -> None:
    assert own(url) is None
