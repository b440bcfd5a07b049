"""api.kie.ai and api.midapi.ai as far as images go: tasks of four images, upscale, vary, uploads, and the files.

Facts: undated pages of both, and clients' code. There is no official client, so plain HTTP proves it. As the services
it answers most refusals with status 200 and a `code` in the body.
"""

from __future__ import annotations

import base64
import itertools
import json
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.testing.images import plain, shape
from atelier.providers.testing.server import Answer, Bill, Emulator, RefusedError, dashed

KEY = "kie-emulated-0123456789abcdef"
TYPES = {"mj_txt2img": False, "mj_img2img": True, "mj_style_reference": True, "mj_omni_reference": True}
FIELDS = {
    "taskType", "prompt", "speed", "fileUrls", "aspectRatio", "version", "variety", "stylization", "weirdness", "ow",
    "enableTranslation",
}  # fmt: skip
VERSIONS = {"7", "6.1", "6", "5.2", "5.1", "niji6", "niji7"}
RATIOS = {"1:2", "9:16", "2:3", "3:4", "5:6", "6:5", "4:3", "3:2", "1:1", "16:9", "2:1"}
LIMITS = (("variety", 0, 100), ("stylization", 0, 1000), ("weirdness", 0, 3000), ("ow", 1, 1000))
USD = {"relaxed": Decimal("0.015"), "fast": Decimal("0.04"), "turbo": Decimal("0.08")}


def trouble(code: int, words: str, status: int = 0, **headers: str) -> Answer:
    """The service's body of an error; usable as a scripted fault as well."""
    return Answer(status or code, {"code": code, "msg": words, "data": None}, dashed(headers))


MODERATED = trouble(400, "The prompt was refused by content moderation.")


def refuse(code: int, words: str) -> RefusedError:
    """A 401 is answered as such, all else with status 200."""
    return RefusedError(trouble(code, words, 401 if code == 401 else 200))


class Midjourney(Emulator):
    """The emulator. `failure` is how the next tasks fail; `text` puts results into a text, as one of the hosts does."""

    free = ("/api/file-base64-upload",)

    def __init__(self, key: str = KEY) -> None:
        self.key, self.numbers, self.failure, self.waits, self.text = key, itertools.count(1), "", 0, False
        self.tasks: dict[str, dict[str, Any]] = {"mj_of_the_house": {"links": [], "waits": 0, "failure": ""}}
        self.files, self.uploads = dict[str, bytes](), dict[str, bytes]()
        routes = [
            Route("/api/v1/mj/generate", self.generate, methods=["POST"]),
            Route("/api/v1/mj/generateUpscale", self.upscale, methods=["POST"]),
            Route("/api/v1/mj/generateVary", self.vary, methods=["POST"]),
            Route("/api/v1/mj/record-info", self.info),
            Route("/api/file-base64-upload", self.upload, methods=["POST"]),
            *(Route(f"/api/v1/{group}/credit", self.credit) for group in ("chat", "common")),
            Route("/v/{name}", self.file),
        ]
        super().__init__(routes)

    async def taken(self, request: Request) -> dict[str, Any]:
        """The body of a request whose key is right."""
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise refuse(401, "You do not have access permissions")
        return json.loads(await request.body()) if request.method == "POST" else {}

    async def credit(self, request: Request) -> Response:
        """GET /api/v1/chat/credit of kie.ai, /api/v1/common/credit of MidAPI"""
        await self.taken(request)
        return JSONResponse({"code": 200, "msg": "success", "data": 100})

    async def generate(self, request: Request) -> Response:
        """POST /api/v1/mj/generate"""
        body = await self.taken(request)
        self.check(body)
        return self.task(4, USD[body.get("speed", "fast")], body.get("aspectRatio", "1:1"))

    def check(self, body: dict[str, Any]) -> None:
        """What the service refuses."""
        kind = body.get("taskType")
        if set(body) - FIELDS or kind not in TYPES:
            raise refuse(422, "unknown field or taskType")
        if not 1 <= len(body.get("prompt", "")) <= 2_000:
            raise refuse(422, "prompt: missing or too long")
        links = body.get("fileUrls", [])
        if bool(links) != TYPES[kind] or any(link.split("/")[-1] not in self.uploads for link in links):
            raise refuse(422, "fileUrls: missing, unexpected or not public")
        if (kind == "mj_omni_reference" and "speed" in body) or (kind != "mj_omni_reference" and "ow" in body):
            raise refuse(422, "speed, ow: not of this taskType")
        if body.get("speed", "fast") not in USD or body.get("version", "7") not in VERSIONS:
            raise refuse(422, "speed, version: invalid")
        if body.get("aspectRatio", "1:1") not in RATIOS:
            raise refuse(422, "aspectRatio: invalid")
        if any(not low <= body.get(name, low) <= high for name, low, high in LIMITS):
            raise refuse(422, "out of range")

    async def upscale(self, request: Request) -> Response:
        """POST /api/v1/mj/generateUpscale"""
        return await self.changed(request, 0, 1)

    async def vary(self, request: Request) -> Response:
        """POST /api/v1/mj/generateVary"""
        return await self.changed(request, 1, 4)

    async def changed(self, request: Request, first: int, count: int) -> Response:
        """A task that changes an image of another; its index is counted from `first`."""
        body = await self.taken(request)
        if body.get("taskId") not in self.tasks or not first <= body.get("imageIndex", -1) < first + 4:
            raise refuse(422, "taskId, imageIndex: invalid")
        return self.task(count, None)

    def task(self, count: int, usd: Decimal | None, ratio: str = "1:1") -> Response:
        """A new task."""
        id, links = f"mj_task_{next(self.numbers)}", list[str]()
        for number in range(count):
            name = f"{id}_0_{number}.jpeg"
            self.files[name] = plain(shape(ratio, edge=256), "jpeg")
            links.append(f"{self.url}/v/{name}")
        self.tasks[id] = {"links": links, "waits": self.waits, "failure": self.failure}
        if usd is not None:
            self.billed.append(Bill(usd, count))
        return JSONResponse({"code": 200, "msg": "success", "data": {"taskId": id}})

    async def info(self, request: Request) -> Response:
        """GET /api/v1/mj/record-info"""
        await self.taken(request)
        id = request.query_params.get("taskId", "")
        if id not in self.tasks:
            return trouble(404, "no such task", 200).response()
        task = self.tasks[id]
        task["waits"] -= 1
        data: dict[str, Any] = {"taskId": id, "successFlag": 0, "resultInfoJson": None}
        if task["waits"] < 0 and task["failure"]:
            data |= {"successFlag": 3, "errorMessage": task["failure"]}
        elif task["waits"] < 0:
            result: Any = {"resultUrls": [{"resultUrl": link} for link in task["links"]]}
            data |= {"successFlag": 1, "resultInfoJson": result}
            data |= {"successFlag": "1", "resultInfoJson": json.dumps(result)} if self.text else {}
        return JSONResponse({"code": 200, "msg": "success", "data": data})

    async def upload(self, request: Request) -> Response:
        """POST /api/file-base64-upload"""
        body = await self.taken(request)
        name = f"{next(self.numbers)}-{body['fileName']}"
        self.uploads[name] = base64.b64decode(body["base64Data"].partition(",")[2], validate=True)
        return JSONResponse({"code": 200, "success": True, "data": {"downloadUrl": f"{self.url}/uploads/{name}"}})

    async def file(self, request: Request) -> Response:
        """GET /v/{name}"""
        name = request.path_params["name"]
        return Response(self.files[name], media_type="image/jpeg") if name in self.files else Response("gone", 404)
