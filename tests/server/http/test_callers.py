"""Whom a token names, and under which name their pictures are kept."""

from __future__ import annotations

from typing import Any

import pytest

from atelier.server.http.callers import caller_in, is_name, name_of
from atelier.server.settings.fields import CUSTOMER


@pytest.mark.parametrize(
    ("claims", "caller"),
    [
        ({"sub": "alice"}, "alice"),
        ({"sub": "alice", "customer_id": "acme"}, "acme"),
        ({"customer_id": 42}, "42"),
        ({"customer_id": "007"}, "007"),
        ({"customer_id": "-a"}, "-a"),
        ({"sub": "0x0"}, "0x0"),
        ({"sub": "auth0|12"}, "auth0|12"),
        ({"sub": "Bob Ü"}, "Bob Ü"),
        ({"sub": "x" * 255}, "x" * 255),
    ],
)
def test_the_customer_id_comes_before_the_subject(claims: dict[str, Any], caller: str) -> None:
    assert caller_in(claims) == caller


ABSURD = (
    "", " ", " x", "a\nb", "a\0", "a\u202eb", "\ud800", "x" * 256, None, True, 1.5, ["x"],
    0, -5, "0", "00", "-5", "-0", "+0", "0.0", "-1.5",
)  # fmt: skip


@pytest.mark.parametrize("absurd", ABSURD)
def test_an_absurd_claim_names_nobody_even_beside_a_good_one(absurd: Any) -> None:
    assert caller_in({"sub": absurd}) is None
    assert caller_in({"customer_id": absurd, "sub": "alice"}) is None


def test_without_a_claim_there_is_nobody() -> None:
    assert caller_in({"iss": "x"}) is None


@pytest.mark.parametrize("plain", ["1", "alice", "acme-7", "a.b@example.com", "x" * 100])
def test_a_plain_claim_is_its_own_name(plain: str) -> None:
    assert name_of(plain) == plain


ODD = (
    "Bob", "bob.", "../x", "a/b", "a\\b", ".", "..", "con", "nul.txt", "com1", "auth0|12", "ü", "u\u0308", "x" * 101,
    "x" * 255, f"sha256-{'0' * 64}", "-a", "_callers", "a b", "a:b", "BOB",
)  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_any_other_has_a_name_that_every_disk_takes(odd: str) -> None:
    name = name_of(odd)
    assert name != odd
    assert is_name(name)
    assert CUSTOMER.fullmatch(name)
    assert name == name.lower()


def test_no_two_callers_share_a_name() -> None:
    callers = [*ODD, "bob", "alice", name_of("Bob"), name_of(name_of("Bob"))]
    assert len({name_of(caller).lower() for caller in callers}) == len(callers)
