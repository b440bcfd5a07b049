"""The answer to a tool call, in the shapes of the interfaces through which agents call tools."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from atelier.providers.core.types import Picture

ToolShape = Literal["anthropic", "openai", "openai_chat", "langchain"]
"""anthropic    a `tool_result` block of Anthropic's Messages API
openai       a `function_call_output` item of OpenAI's Responses API
openai_chat  a message of the role `tool` of OpenAI's Chat Completions API, which takes no images
langchain    the arguments of LangChain's `ToolMessage`; its `artifact` is not shown to the model"""

MAX_ATTACHED_BYTES = 3_750_000
"""An image above it is named in the text only: Anthropic takes at most 5 MB of base64."""


def tool_result(
    shape: ToolShape, call_id: str, facts: Mapping[str, Any], pictures: Sequence[Picture] = (), *, error: bool = False
) -> dict[str, Any]:
    """Return the answer to the tool call of that id: the facts as JSON text, then the images."""
    attached = [(p.mime, base64.b64encode(p.image_bytes).decode()) for p in pictures if _fits(p)]
    note = {} if len(attached) == len(pictures) else {"note": "An image that is too large is not attached."}
    text = json.dumps({**facts, **note}, ensure_ascii=False)
    match shape:
        case "anthropic":
            images = [
                {"type": "image", "source": {"type": "base64", "media_type": mime, "data": data}}
                for mime, data in attached
            ]
            content = [{"type": "text", "text": text}, *images]
            return {"type": "tool_result", "tool_use_id": call_id, "content": content, "is_error": error}
        case "openai":
            images = [
                {"type": "input_image", "image_url": f"data:{mime};base64,{data}", "detail": "auto"}
                for mime, data in attached
            ]
            output = [{"type": "input_text", "text": text}, *images]
            return {"type": "function_call_output", "call_id": call_id, "output": output}
        case "openai_chat":
            return {"role": "tool", "tool_call_id": call_id, "content": text}
        case "langchain":
            images = [{"type": "image", "base64": data, "mime_type": mime} for mime, data in attached]
            return {
                "tool_call_id": call_id,
                "content": [{"type": "text", "text": text}, *images],
                "status": "error" if error else "success",
                "artifact": dict(facts),
            }


def _fits(picture: Picture) -> bool:
    return len(picture.image_bytes) <= MAX_ATTACHED_BYTES
