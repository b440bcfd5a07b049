"""Caps as the environment sets them for a program without the server."""

from __future__ import annotations

from decimal import Decimal

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.pricing.budget import Budget, Caps, from_variables, require_no_period_caps

ONE = Decimal(1)


def test_each_variable_sets_its_own_cap() -> None:
    told = {
        "ATELIER_BUDGET_PER_CALL": "0.5",
        "ATELIER_BUDGET_PER_DAY": "0",
        "ATELIER_BUDGET_PER_MONTH": "20",
        "ATELIER_ALLOW_UNPRICED": "true",
    }
    caps = Caps(per_call=Decimal("0.5"), per_day=Decimal(0), per_month=Decimal(20))
    assert from_variables(told.get) == Budget(caps=caps, allow_unpriced=True)


@pytest.mark.parametrize("told", [{}, {"ATELIER_BUDGET_PER_DAY": "", "ATELIER_ALLOW_UNPRICED": "false"}], ids=str)
def test_without_variables_there_is_no_cap(told: dict[str, str]) -> None:
    assert from_variables(told.get) == Budget()


@pytest.mark.parametrize("name", ["ATELIER_BUDGET_PER_CALL", "ATELIER_BUDGET_PER_DAY", "ATELIER_BUDGET_PER_MONTH"])
@pytest.mark.parametrize("amount", ["much", "-0.01", "NaN", "Infinity", "-Infinity"])
def test_what_is_no_amount_is_refused_by_the_name_of_its_variable(name: str, amount: str) -> None:
    with pytest.raises(ImageError) as caught:
        from_variables({name: amount}.get)
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert caught.value.message.startswith(f"{name} is wrong")
    assert caught.value.hint


@pytest.mark.parametrize("caps", [Caps(per_call=ONE), Caps(per_day=ONE), Caps(per_month=ONE), Caps(per_day=Decimal(0))])
def test_one_cap_is_a_budget(caps: Caps) -> None:
    assert caps
    assert not Caps()


@pytest.mark.parametrize("caps", [Caps(per_day=ONE), Caps(per_month=ONE), Caps(per_day=ONE, per_month=ONE)])
def test_a_cap_of_a_day_or_a_month_needs_a_ledger(caps: Caps) -> None:
    with pytest.raises(ImageError) as caught:
        require_no_period_caps(caps)
    assert caught.value.reason is Reason.BUDGET_EXCEEDED
    assert "budget by day or month" in caught.value.message
    assert caught.value.hint


def test_a_cap_of_a_call_needs_none() -> None:
    require_no_period_caps(Caps(per_call=ONE))
    require_no_period_caps(Caps())
