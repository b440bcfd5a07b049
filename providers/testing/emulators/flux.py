"""api.bfl.ai as far as pictures go: POST /v1/{model}, a poll on another port, signed links that redirect and expire.

Facts: the vendor's OpenAPI and docs of 2026, FLUX 3 and flux-tools as read by third parties up to 2026-10. The older
schemas drop unknown fields, here as there; `dropped` tells which. FLUX 3 and outpainting-v1 refuse them.
"""

from __future__ import annotations

import secrets
from decimal import Decimal

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from atelier.providers.testing.emulators.flux_rules import (
    EXPANDED,
    KEY,
    LINK_REFUSED,
    NO_CREDITS,
    NOT_AUTHENTICATED,
    NOT_FOUND,
    SEED,
    TASK_NOT_FOUND,
    Made,
    drawn,
    state,
    trouble,
)
from atelier.providers.testing.emulators.flux_schemas import MODELS, Flux3
from atelier.providers.testing.emulators.polled import PolledEmulator
from atelier.providers.testing.server import Bill, RefusedError


class Flux(PolledEmulator):
    """The submit host, which also delivers. `polls` is the host where tasks are polled, with its own log and script.
    Both want the key; a delivery must come without.

    With `one_host` a polling URL leads to the submit host. `polls_name` is what it calls the other one: by a name that
    is not the submit host's, it is a stranger to a client that minds its key.
    """

    def __init__(self, key: str = KEY) -> None:
        routes = [
            Route("/v1/get_result", self.result_here),
            Route("/v1/credits", self.balance),
            Route("/v1/{model:path}", self.submit, methods=["POST"]),
            Route("/results/{id}", self.link),
            Route("/blobs/{id}", self.blob),
        ]
        super().__init__(routes, [Route("/v1/get_result", self.result_elsewhere)])
        self.key = key
        self.reset()

    def reset(self) -> None:
        """As new, on the same ports."""
        self.one_host = False
        self.polls_name = "127.0.0.1"
        self.expired = False
        self.credits = 100.0
        self.dropped = list[str]()
        self.tasks = dict[str, Made]()
        self.clear()

    def _greet(self, request: Request) -> None:
        if request.headers.get("x-key") != self.key:
            raise RefusedError(NOT_AUTHENTICATED)

    async def balance(self, request: Request) -> Response:
        """GET /v1/credits"""
        self._greet(request)
        return JSONResponse({"credits": self.credits})

    async def submit(self, request: Request) -> Response:
        """POST /v1/{model}"""
        model = request.path_params["model"]
        self._greet(request)
        if model not in MODELS:
            return NOT_FOUND.response()
        schema, cost = MODELS[model]
        try:
            if not request.headers.get("content-type", "").startswith("application/json"):
                schema.model_validate(None)
            parsed = schema.model_validate_json(await request.body())
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            return trouble(422, [{**each, "loc": ["body", *each["loc"]]} for each in found]).response()
        if cost > self.credits:
            return NO_CREDITS.response()
        self.credits -= cost
        self.billed.append(Bill(Decimal(str(cost)) / 100, 1))
        self.dropped += sorted(set(await request.json()) - set(schema.model_fields))
        format = getattr(parsed, "output_format", "png") or "jpeg"
        id, (width, height) = secrets.token_hex(8), parsed.size
        self.tasks[id] = Made(
            prompt=getattr(parsed, "prompt", None),
            picture=drawn(parsed.size, format),
            format=format,
            signature=secrets.token_hex(8),
            expanded=isinstance(parsed, Flux3),
        )
        host = self.url if self.one_host else f"http://{self.polls_name}:{self.polls.port}"
        return JSONResponse(
            {
                "id": id,
                "polling_url": f"{host}/v1/get_result?id={id}",
                "cost": cost,
                "input_mp": 0.0,
                "output_mp": round(width * height / 2**20, 2),
            }
        )

    async def result_here(self, request: Request) -> Response:
        """GET /v1/get_result on the submit host, which knows its own tasks only"""
        self._greet(request)
        return self._result(request) if self.one_host else TASK_NOT_FOUND.response()

    async def result_elsewhere(self, request: Request) -> Response:
        """GET /v1/get_result on the host that runs the task"""
        self._greet(request)
        return self._result(request)

    def _result(self, request: Request) -> Response:
        id = request.query_params.get("id", "")
        if id not in self.tasks:
            return TASK_NOT_FOUND.response()
        made = self.tasks[id]
        result = {
            "sample": f"{self.url}/results/{id}?sig={made.signature}",
            "prompt": made.prompt,
            "start_time": 1795132800.1,
            "end_time": 1795132804.9,
            "duration": 4.8,
            **({"expanded_prompt": EXPANDED} if made.expanded else {"seed": SEED}),
        }
        return state("Ready", result=result).response()

    def _signed(self, request: Request) -> Made | None:
        """The task of a link that holds; a key must not come along."""
        assert "x-key" not in request.headers
        made = self.tasks.get(request.path_params["id"])
        return made if made and made.signature == request.query_params.get("sig") and not self.expired else None

    async def link(self, request: Request) -> Response:
        """GET the link of a result, which leads on"""
        if self._signed(request) is None:
            return LINK_REFUSED.response()
        return RedirectResponse(f"/blobs/{request.path_params['id']}?{request.query_params}", 302)

    async def blob(self, request: Request) -> Response:
        """GET the picture"""
        made = self._signed(request)
        return Response(made.picture, media_type=f"image/{made.format}") if made else LINK_REFUSED.response()
