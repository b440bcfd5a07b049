"""Budgets as a host meets them: refused before anything is sent, asked about where a person can be asked."""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.types import METHOD_NOT_FOUND, CallToolResult, ElicitRequestParams, ElicitResult, ErrorData

from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.stability import Stability
from atelier.providers.testing.server import Answer, Dropped
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from tests.conftest import Connect, Environ, files_in, png
from tests.server.mcp.test_server import error, text

pytestmark = pytest.mark.anyio

FOX = {"prompt": "a fox", "model": "gpt-image-2.5-flare", "size": "1024x1024", "quality": "low"}
"""196 tokens of picture: about $0.006."""


FLUX_FOX = {"prompt": "a fox", "model": "flux-2-pro", "size": "1024x1024"}
"""A picture at exactly $0.03."""


def charges(environ: Environ) -> list[tuple[str, int | None, int | None]]:
    """State, reserved and spent of every vendor call, in micro-USD."""
    with sqlite3.connect(Path(environ["ATELIER_STATE_DIR"]) / "journal.db") as connection:
        return connection.execute("SELECT state, reserved_usd, spent_usd FROM vendor_calls ORDER BY rowid").fetchall()


async def test_the_answer_tells_the_bill_beside_the_estimate(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", FOX)
    told = result.structured_content
    assert told is not None
    assert told["estimated_usd"] == pytest.approx(0.006, abs=0.0005)
    assert told["actual_usd"] == pytest.approx(0.006, abs=0.0005)
    assert "cost $0.0059" in text(result)
    ((state, reserved, spent),) = charges(with_openai)
    assert state == "settled"
    assert spent == round(told["actual_usd"] * 1e6)
    assert reserved is not None
    assert spent is not None
    assert reserved >= spent


async def test_over_the_cap_of_a_call_nothing_is_sent_and_the_cheapest_way_is_named(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    with_openai["ATELIER_BUDGET_PER_CALL"] = "0.03"
    async with connect() as client:
        result = await client.call_tool("generate_image", {**FOX, "quality": "high"})
        several = await client.call_tool("generate_image", {**FOX, "n": 8})
    told = error(result)
    assert (told["reason"], told["retryable"]) == ("budget_exceeded", False)
    assert "$0.03" in text(result)
    assert "openai/gpt-image-2.5-flare with quality=low" in text(result)
    assert "5 of the 8 images" in text(several)
    assert openai.requests == []


async def test_the_cheapest_way_may_be_one_without_an_option(
    connect: Connect, with_stability: Environ, stability: Stability, tmp_path: Path
) -> None:
    with_stability["ATELIER_BUDGET_PER_CALL"] = "0.03"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fox.png").write_bytes(png(512, 512))
    asked = {"image": str(tmp_path / "out" / "fox.png"), "prompt": "a fox", "operation": "upscale"}
    async with connect() as client:
        result = await client.call_tool("edit_image", {**asked, "model": "stable-image-upscale-creative"})
    assert "What fits: stability/stable-image-upscale-fast without prompt ($0.02)." in text(result)
    assert stability.requests == []


CAPS = ("ATELIER_BUDGET_PER_CALL", "ATELIER_BUDGET_PER_DAY", "ATELIER_BUDGET_PER_MONTH")


@pytest.mark.parametrize("cap", CAPS)
async def test_a_price_of_exactly_a_cap_passes_and_a_micro_dollar_more_does_not(
    connect: Connect, with_flux: Environ, flux: Flux, cap: str
) -> None:
    with_flux[cap] = "0.029999"
    async with connect() as client:
        refused = await client.call_tool("generate_image", FLUX_FOX)
    assert error(refused)["reason"] == "budget_exceeded"
    assert flux.requests == []
    with_flux[cap] = "0.03"
    async with connect() as client:
        result = await client.call_tool("generate_image", FLUX_FOX)
    assert not result.is_error


async def test_a_day_has_a_cap_that_counts_what_was_spent(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    with_openai["ATELIER_BUDGET_PER_DAY"] = "0.015"
    async with connect() as client:
        first = await client.call_tool("generate_image", FOX)
        second = await client.call_tool("generate_image", FOX)
        third = await client.call_tool("generate_image", FOX)
    assert not first.is_error
    assert not second.is_error
    assert error(third)["reason"] == "budget_exceeded"
    assert "this day" in text(third)
    assert len(openai.requests) == 2


async def test_an_unpriced_model_passes_no_budget_silently(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    unknown = {"prompt": "a fox", "model": "openai/gpt-image-9"}
    with_openai["ATELIER_BUDGET_PER_MONTH"] = "100"
    async with connect() as client:
        refused = await client.call_tool("generate_image", unknown)
    assert error(refused)["reason"] == "budget_exceeded"
    assert "ATELIER_ALLOW_UNPRICED" in text(refused)
    assert openai.requests == []
    with_openai["ATELIER_ALLOW_UNPRICED"] = "true"
    async with connect() as client:
        tried = await client.call_tool("generate_image", unknown)
    assert error(tried)["reason"] == "unknown_model"  # by the vendor
    assert len(openai.requests) == 1


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (emulated.MODERATED, "released"),
        (emulated.NO_QUOTA, "released"),
        (Answer(401, {"error": {"code": "invalid_api_key", "message": "No."}}), "released"),
        (Dropped(), "unknown"),
        (Answer(200, b"{"), "unknown"),
    ],
    ids=["moderated", "no quota", "wrong key", "dropped", "broken"],
)
async def test_a_free_refusal_releases_and_an_unknown_outcome_keeps_the_reservation(
    connect: Connect, with_openai: Environ, openai: OpenAI, fault: Any, state: str
) -> None:
    openai.script.append(fault)
    async with connect() as client:
        result = await client.call_tool("generate_image", FOX)
    assert result.is_error
    assert [each[0] for each in charges(with_openai)] == [state]


async def test_a_bill_far_from_its_estimate_is_told(connect: Connect, with_openai: Environ, openai: OpenAI) -> None:
    picture = base64.b64encode(png(64, 64)).decode()
    usage = {"input_tokens": 12, "output_tokens": 7024, "total_tokens": 7036}
    openai.script.append(Answer(200, {"created": 1, "data": [{"b64_json": picture}], "usage": usage}))
    async with connect() as client:
        result = await client.call_tool("generate_image", FOX)
    assert "was estimated" in text(result)


async def test_many_calls_at_once_cannot_overshoot_a_cap(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    with_openai["ATELIER_BUDGET_PER_DAY"] = "0.03"
    results = list[CallToolResult]()
    async with connect() as client:

        async def call(number: int) -> None:
            results.append(await client.call_tool("generate_image", {**FOX, "prompt": f"fox {number}"}))

        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(call, number)
    good = [result for result in results if not result.is_error]
    assert len(good) == len(openai.requests) == 5
    assert sum(spent or 0 for _, _, spent in charges(with_openai)) <= 30_000


# asking first


def answering(action: Any, proceed: bool | None = None) -> tuple[list[str], Any]:
    asked = list[str]()

    async def answer(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action=action, content=None if proceed is None else {"proceed": proceed})

    return asked, answer


async def test_who_can_be_asked_is_asked_once_and_a_yes_goes_ahead(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"
    asked, answer = answering("accept", True)
    async with connect(elicitation_callback=answer) as client:
        result = await client.call_tool("generate_image", FOX)
    assert not result.is_error
    assert len(asked) == 1
    assert "1 image by openai/gpt-image-2.5-flare may cost $0.00" in asked[0]
    assert len(openai.requests) == 1


async def test_a_form_that_was_closed_is_no_answer_and_says_how_to_go_on(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"
    asked, answer = answering("cancel", None)
    async with connect(elicitation_callback=answer) as client:
        result = await client.call_tool("generate_image", FOX)
    assert error(result)["reason"] == "budget_exceeded"
    assert "declined" not in text(result)
    assert "confirm_cost=true" in text(result)
    assert len(asked) == 1
    assert openai.requests == []


@pytest.mark.parametrize(("action", "proceed"), [("accept", False), ("decline", None)])
async def test_without_a_yes_nothing_is_sent(
    connect: Connect, with_openai: Environ, openai: OpenAI, tmp_path: Path, action: str, proceed: bool | None
) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"
    asked, answer = answering(action, proceed)
    async with connect(elicitation_callback=answer) as client:
        result = await client.call_tool("generate_image", FOX)
    assert error(result)["reason"] == "budget_exceeded"
    assert "declined" in text(result)
    assert len(asked) == 1
    assert openai.requests == []
    assert files_in(tmp_path / "out") == []


@pytest.mark.parametrize("content", [None, {}, {"proceed": "perhaps"}, {"proceed": 1}, {"other": True}])
async def test_a_form_that_was_accepted_without_its_box_ticked_is_no_yes(
    connect: Connect, with_openai: Environ, openai: OpenAI, content: Any
) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"

    async def answer(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept", content=content)

    async with connect(elicitation_callback=answer) as client:
        result = await client.call_tool("generate_image", FOX)
    assert error(result)["reason"] == "budget_exceeded"
    assert openai.requests == []


async def test_a_client_that_cannot_ask_after_all_is_told_how_to_agree(
    with_openai: Environ, openai: OpenAI, today: Any
) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"

    async def answer(context: Any, params: ElicitRequestParams) -> ErrorData:
        return ErrorData(code=METHOD_NOT_FOUND, message="Method not found")

    server = build_server(Settings.from_environ(with_openai), today)
    async with Client(server, mode="legacy", elicitation_callback=answer) as client:
        result = await client.call_tool("generate_image", FOX)
    assert error(result)["reason"] == "budget_exceeded"
    assert "confirm_cost=true" in text(result)
    assert openai.requests == []


async def test_who_cannot_be_asked_is_told_how_to_agree(connect: Connect, with_openai: Environ, openai: OpenAI) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"
    async with connect() as client:
        refused = await client.call_tool("generate_image", FOX)
        confirm_price = await client.call_tool("generate_image", {**FOX, "confirm_cost": True})
    assert error(refused)["reason"] == "budget_exceeded"
    assert "confirm_cost=true" in text(refused)
    assert not confirm_price.is_error
    assert len(openai.requests) == 1


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_user_who_said_no_is_asked_again_when_the_agent_says_that_they_agreed(
    with_openai: Environ, openai: OpenAI, today: Any, mode: Any
) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"
    asked, answer = answering("decline")
    server = build_server(Settings.from_environ(with_openai), today)
    async with Client(server, mode=mode, elicitation_callback=answer) as client:
        await client.call_tool("generate_image", FOX)
        again = await client.call_tool("generate_image", {**FOX, "prompt": "a red fox", "confirm_cost": True})
        assert len(asked) == 2
        assert "declined" in text(again)
        assert openai.requests == []
        other = await client.call_tool("generate_image", {**FOX, "n": 2, "confirm_cost": True})
    assert not other.is_error  # nobody has said no to this one
    assert len(asked) == 2


async def test_a_user_who_changed_their_mind_is_believed(with_openai: Environ, openai: OpenAI, today: Any) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"
    answers = ["decline", "accept"]

    async def answer(context: Any, params: ElicitRequestParams) -> ElicitResult:
        action: Any = answers.pop(0)
        return ElicitResult(action=action, content={"proceed": True} if action == "accept" else None)

    server = build_server(Settings.from_environ(with_openai), today)
    async with Client(server, elicitation_callback=answer) as client:
        await client.call_tool("generate_image", FOX)
        for prompt in ("a fox", "an owl"):
            assert not (
                await client.call_tool("generate_image", {**FOX, "prompt": prompt, "confirm_cost": True})
            ).is_error
    assert answers == []


async def test_what_is_cheap_enough_is_not_asked_about(connect: Connect, with_openai: Environ, openai: OpenAI) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.50"
    asked, answer = answering("decline")
    async with connect(elicitation_callback=answer) as client:
        assert not (await client.call_tool("generate_image", FOX)).is_error
        assert not (await client.call_tool("generate_image", {"prompt": "a fox", "model": "sketch"})).is_error
    assert asked == []


async def test_a_price_of_exactly_the_limit_is_not_asked_about_and_a_micro_dollar_more_is(
    connect: Connect, with_flux: Environ, flux: Flux
) -> None:
    with_flux["ATELIER_CONFIRM_ABOVE"] = "0.03"
    asked, answer = answering("decline")
    async with connect(elicitation_callback=answer) as client:
        assert not (await client.call_tool("generate_image", FLUX_FOX)).is_error
    assert asked == []
    with_flux["ATELIER_CONFIRM_ABOVE"] = "0.029999"
    async with connect(elicitation_callback=answer) as client:
        assert (await client.call_tool("generate_image", {**FLUX_FOX, "prompt": "an owl"})).is_error
    assert len(asked) == 1


async def test_an_answer_to_another_question_is_no_answer(with_openai: Environ, openai: OpenAI, today: Any) -> None:
    """A client of the newer era that agrees to one picture has not agreed to four."""
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"
    asked, answer = answering("accept", True)
    server = build_server(Settings.from_environ(with_openai), today)
    async with Client(server, elicitation_callback=answer) as client:
        await client.call_tool("generate_image", FOX)
        await client.call_tool("generate_image", {**FOX, "n": 4})
    assert len(set(asked)) == 2
