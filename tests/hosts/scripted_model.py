"""A model that follows a script: it draws, edits what it drew, makes a mistake, and ends. It speaks two APIs.

Each turn is decided by what the host has passed on of the calls before it, so a host that loses the handle of an image
does not get to the end.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.testing.server import Emulator

ASSET = re.compile(r"img_[0-9A-Za-z]{20,}")
DONE = "All is drawn."
NAMESPACE = "mcp__atelier"
DRAW = {"prompt": "a fox", "model": "sketch", "size": "64x64"}


@dataclass(frozen=True)
class Output:
    """What a host passed on of a tool's result: words, and whether an image came with them."""

    text: str
    has_image: bool


class ScriptedModel(Emulator):
    """`tools` are the names that the host offered, `outputs` what it passed on of each call."""

    def __init__(self) -> None:
        routes = [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/responses", self._responses, methods=["POST"]),
        ]
        super().__init__(Starlette(routes=routes))
        self.tools: dict[str, dict[str, Any]] = {}
        self.outputs: list[Output] = []

    def next_call(self) -> tuple[str, dict[str, Any]] | None:
        """Return the tool to call and its arguments; None at the end."""
        handles = ASSET.findall(self.outputs[0].text) if self.outputs else []
        return {
            0: ("generate_image", DRAW),
            1: ("edit_image", {"prompt": "blue", "model": "sketch", "image": handles[0] if handles else "lost"}),
            2: ("generate_image", {**DRAW, "colour": "red"}),
        }.get(len(self.outputs))

    def offered(self, name: str) -> str:
        """Return the name that the host gives to one of our tools, which it may show on request only."""
        return next((offered for offered in self.tools if offered.endswith(name)), f"{NAMESPACE}__{name}")

    async def _chat(self, request: Request) -> Response:
        """OpenAI's Chat Completions, streamed."""
        asked = await request.json()
        if not asked.get("tools"):  # a host that asks for a title or a summary
            return answer(asked, {"role": "assistant", "content": "Foxes"}, "stop")
        self.tools = {tool["function"]["name"]: tool["function"] for tool in asked["tools"]}
        said = [message["content"] for message in asked["messages"] if message["role"] == "tool"]
        self.outputs = [Output(json.dumps(content), "image_url" in json.dumps(content)) for content in said]
        call = self.next_call()
        if call is None:
            return answer(asked, {"role": "assistant", "content": DONE}, "stop")
        name, arguments = self.offered(call[0]), call[1]
        if name not in self.tools:  # Qwen Code calls such a tool by another
            name, arguments = "tool_call", {"name": name, "arguments": arguments}
        function = {"name": name, "arguments": json.dumps(arguments)}
        step = {"index": 0, "id": f"call_{len(self.outputs)}", "type": "function", "function": function}
        return answer(asked, {"role": "assistant", "tool_calls": [step]}, "tool_calls")

    async def _responses(self, request: Request) -> Response:
        """OpenAI's Responses, streamed."""
        asked = await request.json()
        spaces = {tool["name"]: tool["tools"] for tool in asked["tools"] if tool["type"] == "namespace"}
        self.tools = {tool["name"]: tool for tool in spaces.get(NAMESPACE, [])}
        said = [item["output"] for item in asked["input"] if item["type"] == "function_call_output"]
        self.outputs = [Output(json.dumps(output), "input_image" in json.dumps(output)) for output in said]
        call = self.next_call()
        item: dict[str, Any] = {"type": "message", "role": "assistant", "id": "msg_1"}
        item["content"] = [{"type": "output_text", "text": DONE, "annotations": []}]
        if call:
            number = len(self.outputs)
            item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}
            item |= {"name": call[0], "namespace": NAMESPACE, "arguments": json.dumps(call[1])}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        response = {"id": "resp_1", "object": "response", "status": "completed", "output": [item], "usage": usage}
        return events(
            [
                {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
                {"type": "response.output_item.done", "output_index": 0, "item": item},
                {"type": "response.completed", "response": response},
            ]
        )


def answer(asked: dict[str, Any], message: dict[str, Any], reason: str) -> Response:
    """Return a chat completion, in pieces if it was asked for so."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted", "usage": usage}
    choice: dict[str, Any] = {"index": 0, "finish_reason": reason}
    if not asked.get("stream"):
        return JSONResponse({**whole, "choices": [{**choice, "message": message}]})
    piece = {**whole, "object": "chat.completion.chunk"}
    first = {**piece, "choices": [{**choice, "delta": message, "finish_reason": None}]}
    return events([first, {**piece, "choices": [{**choice, "delta": {}}]}])


def events(data: list[dict[str, Any]]) -> Response:
    lines = [f"event: {each.get('type', 'message')}\ndata: {json.dumps(each)}\n\n" for each in data]
    return Response("".join(lines) + "data: [DONE]\n\n", media_type="text/event-stream")
