"""cloud.leonardo.ai as far as images go: v1 and v2 generations, variations, uploads, the calculator, and the CDN.

Facts: the vendor's SDK 7.0.0 and docs copies of 2026. As the vendor it makes, and bills, four images where a request of
v1 does not say how many. It is proven by the vendor's SDK, which speaks v1 only, and by plain HTTP.
"""

from __future__ import annotations

import io
import itertools
import json
from decimal import Decimal
from typing import Any

from PIL import Image
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.testing.emulators.leonardo_rules import FIELDS, KEY, MODELS, USD, V2, refuse, trouble
from atelier.providers.testing.images import plain
from atelier.providers.testing.server import Answer, Bill, Emulator, RefusedError


class Leonardo(Emulator):
    """The emulator. `url` ends in /rest. `failure` is how the next jobs end; `waits` how often a job is not ready."""

    free = ("/rest/v1/init-image", "/rest/v1/canvas-init-image", "/rest/v1/pricing-calculator", "/storage/")

    def __init__(self, key: str = KEY) -> None:
        self.key, self.numbers, self.failure, self.waits = key, itertools.count(1), "", 0
        self.uploads, self.images, self.jobs = dict[str, bytes](), dict[str, bytes](), dict[str, dict[str, Any]]()
        self.flat, self.credits = False, False
        routes = [
            Route("/rest/v1/generations", self.generate, methods=["POST"]),
            Route("/rest/v2/generations", self.generate_2, methods=["POST"]),
            Route("/rest/v1/generations/{id}", self.read),
            Route("/rest/v1/variations/{id}", self.read_variation),
            Route("/rest/v1/variations/{kind}", self.vary, methods=["POST"]),
            Route("/rest/v1/init-image", self.init_image, methods=["POST"]),
            Route("/rest/v1/canvas-init-image", self.canvas, methods=["POST"]),
            Route("/rest/v1/pricing-calculator", self.price, methods=["POST"]),
            Route("/rest/v1/me", self.me),
            Route("/storage/{id}", self.store, methods=["POST"]),
            Route("/cdn/{name}", self.image),
        ]
        super().__init__(routes)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{super().url}/rest"

    def greet(self, request: Request) -> None:
        """Refuse a wrong key."""
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise RefusedError(trouble(401, "Authentication hook unauthorized this request", "access-denied"))

    async def me(self, request: Request) -> Response:
        """GET /v1/me"""
        self.greet(request)
        return JSONResponse({"user_details": [{"user": {"id": "u1", "username": "anna"}}]})

    async def generate(self, request: Request) -> Response:
        """POST /v1/generations"""
        self.greet(request)
        body = json.loads(await request.body())
        self.check(body)
        count, size = body.get("num_images", 4), (body.get("width", 1024), body.get("height", 768))
        id = self.job(count, size, body.get("seed", 5))
        cost = self.cost(USD * count, count)
        return JSONResponse({"sdGenerationJob": {"generationId": id, "apiCreditCost": 7 * count, "cost": cost}})

    def check(self, body: dict[str, Any]) -> None:
        """What v1 refuses."""
        if unknown := set(body) - FIELDS:
            raise refuse(f"unexpected variable {min(unknown)}")
        family = MODELS.get(body.get("modelId", "b24e16ff-06e3-43eb-8d33-4416c2d75876"))
        if family is None:
            raise refuse("model not found")
        if not 1 <= len(body.get("prompt", "")) <= 1_500:
            raise refuse("prompt: missing or too long")
        width, height = body.get("width", 1024), body.get("height", 768)
        if any(not 32 <= side <= 1536 or side % 8 for side in (width, height)):
            raise refuse("width, height: invalid")
        if not 1 <= body.get("num_images", 4) <= (4 if max(width, height) > 768 else 8):
            raise refuse("num_images: invalid")
        if body.get("alchemy", True) and body.get("ultra"):
            raise refuse("alchemy and ultra exclude each other")
        if family == "lucid" and body.get("contrast") not in (3, 3.5, 4):
            raise refuse("contrast: missing or invalid")
        if not 0 <= body.get("init_strength", 0.5) <= 0.9:
            raise refuse("init_strength: invalid")
        known = {*self.uploads, *self.known_images}
        used = [
            body.get(name) for name in ("init_image_id", "init_generation_image_id", "canvasInitId", "canvasMaskId")
        ]
        used += [each.get("initImageId") for each in body.get("controlnets", ())]
        if any(id is not None and id not in known for id in used):
            raise refuse("image not found")
        if body.get("canvasRequest"):
            self.check_canvas(body, family)

    def check_canvas(self, body: dict[str, Any], family: str) -> None:
        """What canvas editing refuses."""
        if family != "sdxl" or body.get("init_strength", 0) > 0.8:
            raise refuse("the model takes no canvas, or init_strength is invalid")
        sizes = {Image.open(io.BytesIO(self.uploads[body[name]])).size for name in ("canvasInitId", "canvasMaskId")}
        if len(sizes) != 1 or any(side % 8 for side in sizes.pop()):
            raise refuse("mask and image differ in size")

    @property
    def known_images(self) -> set[str]:
        """The ids of the images that it made."""
        return {image["id"] for job in self.jobs.values() for image in job["images"]} | {"image-of-the-house"}

    async def generate_2(self, request: Request) -> Response:
        """POST /v2/generations"""
        self.greet(request)
        body = json.loads(await request.body())
        model, parameters = body.get("model"), body.get("parameters", {})
        if model not in V2:
            return Answer(400, [{"message": "Unknown model", "extensions": {"code": "validation-failed"}}]).response()
        references = parameters.get("guidances", {}).get("image_reference", [])
        unknown = set(parameters) - V2[model]
        if unknown or any(each["image"]["id"] not in self.uploads for each in references):
            return Answer(200, [{"message": f"Unknown parameter: {unknown}", "extensions": {}}]).response()
        if model != "remove-bg" and not 1 <= parameters.get("quantity", 4) <= 8:
            raise refuse("quantity: invalid")
        count = parameters.get("quantity", 1 if model == "remove-bg" else 4)
        id = self.job(count, (parameters.get("width", 1024), parameters.get("height", 1024)), None)
        made = {"generationId": id, "apiCreditCost": 7, "cost": self.cost(2 * USD * count, count)}
        return JSONResponse(made if self.flat else {"generate": made})

    async def vary(self, request: Request) -> Response:
        """POST /v1/variations/{kind}"""
        self.greet(request)
        body, kind = json.loads(await request.body()), request.path_params["kind"]
        source = body.get("id") or body.get("generatedImageId") or body.get("initImageId")
        if source not in {*self.uploads, *self.known_images}:
            return trouble(400, "image not found").response()
        name = {"universal-upscaler": "universalUpscaler", "unzoom": "sdUnzoomJob"}[kind]
        id = self.job(1, (2048, 2048), None)
        return JSONResponse({name: {"id": id, "apiCreditCost": 5, "cost": self.cost(USD, 1)}})

    def cost(self, usd: Decimal, count: int) -> dict[str, str]:
        """The bill of a job, noted."""
        self.billed.append(Bill(usd, count))
        return {"amount": "12", "unit": "CREDITS"} if self.credits else {"amount": str(usd), "unit": "DOLLARS"}

    def job(self, count: int, size: tuple[int, int], seed: int | None) -> str:
        """A new job."""
        id, images = f"job-{next(self.numbers)}", list[dict[str, Any]]()
        for _ in range(0 if self.failure else count):
            name = f"{next(self.numbers)}.jpg"
            self.images[name] = plain((size[0] // 4, size[1] // 4), "jpeg")
            images.append({"id": f"image-{name[:-4]}", "url": f"{super().url}/cdn/{name}", "nsfw": False})
        self.jobs[id] = {"images": images, "seed": seed, "waits": self.waits, "failure": self.failure}
        return id

    async def read(self, request: Request) -> Response:
        """GET /v1/generations/{id}"""
        self.greet(request)
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            return JSONResponse({"generations_by_pk": None})
        status = self.status(job)
        why = {"type": job["failure"], "message": "It was stopped."} if status == "FAILED" else None
        images: list[Any] = job["images"] if status == "COMPLETE" else []
        found = {"id": request.path_params["id"], "status": status, "seed": job["seed"], "generated_images": images}
        return JSONResponse({"generations_by_pk": {**found, "failureReason": why}})

    def status(self, job: dict[str, Any]) -> str:
        """How far a job is."""
        job["waits"] -= 1
        if job["waits"] >= 0:
            return "PENDING"
        return "FAILED" if job["failure"] not in ("", "EMPTY") else "COMPLETE"

    async def read_variation(self, request: Request) -> Response:
        """GET /v1/variations/{id}"""
        self.greet(request)
        job = self.jobs[request.path_params["id"]]
        found = {"status": self.status(job), **job["images"][0], "transformType": "UPSCALE"}
        return JSONResponse({"generated_image_variation_generic": [found]})

    async def init_image(self, request: Request) -> Response:
        """POST /v1/init-image"""
        self.greet(request)
        if json.loads(await request.body()).get("extension") not in ("png", "jpg", "jpeg", "webp"):
            raise refuse("extension: invalid")
        id = f"init-{next(self.numbers)}"
        form = {"url": f"{super().url}/storage/{id}", "fields": json.dumps({"key": id, "policy": "p"}), "key": id}
        return JSONResponse({"uploadInitImage": {"id": id, **form}})

    async def canvas(self, request: Request) -> Response:
        """POST /v1/canvas-init-image"""
        self.greet(request)
        found = dict[str, str]()
        for kind in ("init", "mask"):
            id = f"{kind}-{next(self.numbers)}"
            fields = json.dumps({"key": id, "policy": "p"})
            found |= {f"{kind}ImageId": id, f"{kind}Url": f"{super().url}/storage/{id}", f"{kind}Fields": fields}
        return JSONResponse({"uploadCanvasInitImage": found})

    async def store(self, request: Request) -> Response:
        """POST to the storage: a form of its own, which must not have the key."""
        if "authorization" in request.headers:
            return Response("<Error>InvalidArgument</Error>", 400)
        async with request.form() as form:
            names, file = list(form), form["file"]
            if names[-1] != "file" or form.get("key") != request.path_params["id"] or not isinstance(file, UploadFile):
                return Response("<Error>InvalidPolicy</Error>", 403)
            self.uploads[request.path_params["id"]] = await file.read()
        return Response(status_code=204)

    async def price(self, request: Request) -> Response:
        """POST /v1/pricing-calculator"""
        self.greet(request)
        service = json.loads(await request.body())["serviceParams"]["IMAGE_GENERATION"]
        if not any(service.get(flag) for flag in ("isPhoenix", "isSDXL", "isSDXLLightning")):
            raise refuse("no such service")
        count = service["numImages"]
        stated = {} if self.credits else {"price": {"amount": str(USD * count), "unit": "DOLLARS"}}
        return JSONResponse({"calculateProductionApiServiceCost": {"cost": 7 * count, **stated}})

    async def image(self, request: Request) -> Response:
        """GET /cdn/{name}"""
        name = request.path_params["name"]
        return Response(self.images[name], media_type="image/jpeg") if name in self.images else Response("gone", 404)
