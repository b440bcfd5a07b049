"""The tools, resources and prompts that the official conformance suite calls by name, added to our server object."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import anyio
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel, Field

from atelier.server.mcp.server import AtelierServer
from tests.conftest import png

PNG = base64.b64encode(png(1, 1)).decode()
WAV = base64.b64encode(
    b"RIFF" + (38).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little") + b"\x01\x00\x01\x00"
    + (8000).to_bytes(4, "little") + (16000).to_bytes(4, "little") + b"\x02\x00\x10\x00data"
    + (2).to_bytes(4, "little") + b"\0\0"
).decode()  # fmt: skip
IMAGE = ImageContent(type="image", data=PNG, mime_type="image/png")

Ctx = Context[Any, Any]


class Answered(BaseModel):
    """A form with one field."""

    response: str = Field(description="The answer")


class Defaults(BaseModel):
    """A form whose fields have defaults (SEP-1034)."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: str = Field("active", json_schema_extra={"enum": ["active", "inactive", "pending"]})
    verified: bool = True


TITLED: list[Any] = [{"const": "low", "title": "Low"}, {"const": "high", "title": "High"}]


class Enums(BaseModel):
    """A form with every kind of choice (SEP-1330)."""

    untitledSingle: str = Field(json_schema_extra={"enum": ["active", "inactive", "pending"]})  # noqa: N815
    titledSingle: str = Field(json_schema_extra={"oneOf": TITLED})  # noqa: N815
    untitledMulti: list[str] = Field(json_schema_extra={"items": {"type": "string", "enum": ["a", "b"]}})  # noqa: N815
    titledMulti: list[str] = Field(json_schema_extra={"items": {"anyOf": TITLED}})  # noqa: N815
    legacyEnum: str = Field(json_schema_extra={"enum": ["s", "m"], "enumNames": ["Small", "Medium"]})  # noqa: N815


def words(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def embedded(uri: str, text: str, mime: str = "text/plain") -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime, text=text))


def form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sampling(text: str) -> CreateMessageRequest:
    messages = [SamplingMessage(role="user", content=words(text))]
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=messages, max_tokens=50))


def add_fixtures(server: AtelierServer) -> AtelierServer:
    """Return the server with all fixtures."""
    add_contents(server)
    add_conversations(server)
    add_rounds(server)
    add_resources(server)
    add_prompts(server)
    return server


def add_contents(server: AtelierServer) -> None:
    """Add tools that answer with each kind of content."""
    answers: Mapping[str, Any] = {
        "test_simple_text": words("This is a simple text response for testing."),
        "test_image_content": IMAGE,
        "test_audio_content": AudioContent(type="audio", data=WAV, mime_type="audio/wav"),
        "test_embedded_resource": embedded("test://embedded-resource", "This is an embedded resource content."),
        "test_multiple_content_types": [
            words("Multiple content types test:"),
            IMAGE,
            embedded("test://mixed", '{"test":"data","value":123}', "application/json"),
        ],
    }
    for name, answer in answers.items():
        server.add_tool(constant(answer), name=name, description=name, structured_output=False)


def constant(value: Any) -> Callable[[], Any]:
    def fixture() -> Any:
        return value

    return fixture


def add_conversations(server: AtelierServer) -> None:
    """Add tools that log, report progress, fail, and ask the client while they run (2025-11-25)."""

    async def write_log(ctx: Ctx) -> str:
        for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.info(message)  # pyright: ignore[reportDeprecated] - the suite asks for it
            await anyio.sleep(0.05)
        return "done"

    for name in ("test_tool_with_logging", "test_logging_tool"):
        server.add_tool(write_log, name=name, description="Logs.")

    @server.tool(description="Reports progress.")
    async def test_tool_with_progress(ctx: Ctx) -> str:
        for progress in (0, 50, 100):
            await ctx.report_progress(progress, 100, f"step {progress}")
            await anyio.sleep(0.05)
        return "done"

    @server.tool(description="Fails.")
    def test_error_handling() -> str:
        raise RuntimeError("This tool intentionally returns an error for testing")

    @server.tool(description="Needs a client that samples.")
    async def test_missing_capability(ctx: Ctx) -> str:
        if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
            data: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
            raise MCPError(code=MISSING_REQUIRED_CLIENT_CAPABILITY, message="needs sampling", data=data)
        return "done"

    @server.tool(description="Lets the client sample.")
    async def test_sampling(prompt: str, ctx: Ctx) -> str:
        messages = [SamplingMessage(role="user", content=words(prompt))]
        answer = await ctx.session.create_message(  # pyright: ignore[reportDeprecated] - the suite asks for it
            messages=messages, max_tokens=100, related_request_id=ctx.request_id
        )
        return f"LLM response: {answer.content}"

    async def ask(ctx: Ctx, message: str, schema: type[BaseModel]) -> str:
        answer = await ctx.elicit(message=message, schema=schema)
        content = answer.data.model_dump_json() if answer.action == "accept" else "{}"
        return f"action={answer.action}, content={content}"

    @server.tool(description="Asks the user.")
    async def test_elicitation(message: str, ctx: Ctx) -> str:
        return await ask(ctx, message, Answered)

    @server.tool(description="Asks the user with defaults.")
    async def test_elicitation_sep1034_defaults(ctx: Ctx) -> str:
        return await ask(ctx, "defaults", Defaults)

    @server.tool(description="Asks the user with choices.")
    async def test_elicitation_sep1330_enums(ctx: Ctx) -> str:
        return await ask(ctx, "enums", Enums)

    @server.tool(description="Says that the tools changed.")
    async def test_trigger_tool_change(ctx: Ctx) -> str:
        await ctx.notify_tools_changed()
        return "done"

    @server.tool(description="Says that the prompts changed.")
    async def test_trigger_prompt_change(ctx: Ctx) -> str:
        await ctx.notify_prompts_changed()
        return "done"


def add_rounds(server: AtelierServer) -> None:
    """Add tools that ask the client by their results (2026-07-28)."""

    def add(name: str, requests: Mapping[str, Any], state: str | None = None, *, needs_state: bool = False) -> None:
        async def ask(ctx: Ctx) -> str | InputRequiredResult:
            got = ctx.input_responses or {}
            if set(requests) <= set(got) and (not needs_state or ctx.request_state == state):
                said = {key: value.model_dump(mode="json", by_alias=True) for key, value in got.items()}
                return f"state-ok: all inputs received: {json.dumps(said)}"
            return InputRequiredResult(input_requests=dict(requests), request_state=state)

        server.add_tool(ask, name=name, description="Asks by its result.")

    add("test_input_required_result_elicitation", {"user_name": form("What is your name?", "name")})
    add("test_input_required_result_sampling", {"capital_question": sampling("What is the capital of France?")})
    add("test_input_required_result_list_roots", {"client_roots": ListRootsRequest()})
    add(
        "test_input_required_result_request_state",
        {"confirm": form("Please confirm", "ok", "boolean")},
        "nonce",
        needs_state=True,
    )
    add("test_input_required_result_tampered_state", {"confirm": form("Please confirm", "ok", "boolean")}, "round-1")
    add("test_streaming_elicitation", {"user_name": form("What is your name?", "name")})
    several = {
        "user_name": form("Name?", "name"),
        "greeting": sampling("Generate a greeting"),
        "client_roots": ListRootsRequest(),
    }
    add("test_input_required_result_multiple_inputs", several, "multi")

    @server.tool(description="Asks twice.")
    async def test_input_required_result_multi_round(ctx: Ctx) -> str | InputRequiredResult:
        number, got = int(ctx.request_state or 0), ctx.input_responses or {}
        if number == 1 and "step1" in got:
            return InputRequiredResult(input_requests={"step2": form("Step 2", "color")}, request_state="2")
        if number == 2 and "step2" in got:
            return "done"
        return InputRequiredResult(input_requests={"step1": form("Step 1", "name")}, request_state="1")

    @server.tool(description="Asks what the client can answer.")
    async def test_input_required_result_capabilities(ctx: Ctx) -> InputRequiredResult:
        can, requests = ctx.client_capabilities, dict[str, Any]()
        if can is None or can.sampling is not None:
            requests["sample"] = sampling("hello")
        if can is None or can.elicitation is not None:
            requests["ask"] = form("Name?", "name")
        return InputRequiredResult(input_requests=requests, request_state="capabilities")


def add_resources(server: AtelierServer) -> None:
    """Add resources, and the requests of 2025-11-25 that the suite sends and that we have no use for."""

    @server.resource("test://static-text")
    def static_text() -> str:  # pyright: ignore[reportUnusedFunction]
        return "static"

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:  # pyright: ignore[reportUnusedFunction]
        return png(1, 1)

    @server.resource("test://template/{id}/data")
    def template(id: str) -> str:  # pyright: ignore[reportUnusedFunction]
        return json.dumps({"id": id, "templateTest": True})

    @server.resource("test://watched-resource")
    def watched() -> str:  # pyright: ignore[reportUnusedFunction]
        return "watched"

    async def accept(context: Any, params: Any) -> EmptyResult:
        return EmptyResult()

    low = server._lowlevel_server  # pyright: ignore[reportPrivateUsage] - the SDK has no other way
    low.add_request_handler("logging/setLevel", SetLevelRequestParams, accept)
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, accept)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, accept)


def add_prompts(server: AtelierServer) -> None:
    """Add prompts of each kind."""

    @server.prompt(description="Simple.")
    def test_simple_prompt() -> str:
        return "This is a simple prompt for testing."

    @server.prompt(description="With arguments.")
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        return f"arg1='{arg1}', arg2='{arg2}'"

    @server.prompt(description="With a resource.")
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 - the suite names it
        return [UserMessage(content=embedded(resourceUri, "embedded")), UserMessage(content=words("process"))]

    @server.prompt(description="With an image.")
    def test_prompt_with_image() -> list[UserMessage]:
        return [UserMessage(content=IMAGE), UserMessage(content=words("analyze"))]

    @server.prompt(description="Asks the client first.")
    async def test_input_required_result_prompt(ctx: Ctx) -> str | InputRequiredResult:
        if ctx.input_responses and "user_context" in ctx.input_responses:
            return f"Use: {ctx.input_responses['user_context']}"
        return InputRequiredResult(input_requests={"user_context": form("Context?", "context")})
