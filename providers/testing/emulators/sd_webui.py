"""A Stable Diffusion web UI as AUTOMATIC1111 serves it with --api: one job at a time, lists, progress, an interrupt.

Facts: the API's source as of 2026. Unknown fields are ignored, here as there; `dropped` tells which.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from atelier.providers.testing.images import opened, plain
from atelier.providers.testing.server import Answer, Emulator, RefusedError, dashed

PREFIX = "/sdapi/v1"
CHECKPOINTS = {
    "v1-5-pruned-emaonly.safetensors [6ce0161689]": "v1-5-pruned-emaonly",
    "sd_xl_base_1.0.safetensors [31e35c80fc]": "sd_xl_base_1.0",
    "my models/Dream Shaper.safetensors [aa00bb11cc]": "my models_Dream Shaper",
}
SAMPLERS = ("DPM++ 2M", "Euler a", "Euler")
UPSCALERS = ("None", "Lanczos", "Nearest", "ESRGAN_4x", "R-ESRGAN 4x+")

COMMON = {
    "prompt", "negative_prompt", "styles", "seed", "subseed", "subseed_strength", "sampler_name", "sampler_index",
    "scheduler", "batch_size", "n_iter", "steps", "cfg_scale", "distilled_cfg_scale", "width", "height",
    "override_settings", "override_settings_restore_afterwards", "send_images", "save_images", "do_not_save_samples",
    "do_not_save_grid", "alwayson_scripts", "script_name", "script_args", "force_task_id", "infotext",
    "denoising_strength", "restore_faces", "tiling", "refiner_checkpoint", "refiner_switch_at", "eta", "s_min_uncond",
    "s_churn", "s_tmax", "s_tmin", "s_noise", "disable_extra_networks", "comments",
}  # fmt: skip
TXT2IMG = COMMON | {
    "enable_hr", "hr_scale", "hr_upscaler", "hr_second_pass_steps", "firstphase_width", "firstphase_height",
    "hr_resize_x", "hr_resize_y", "hr_checkpoint_name", "hr_sampler_name", "hr_scheduler", "hr_prompt",
    "hr_negative_prompt",
}  # fmt: skip
IMG2IMG = COMMON | {
    "init_images", "mask", "mask_blur", "mask_blur_x", "mask_blur_y", "mask_round", "inpainting_fill",
    "inpaint_full_res", "inpaint_full_res_padding", "inpainting_mask_invert", "resize_mode", "image_cfg_scale",
    "initial_noise_multiplier", "include_init_images", "latent_mask",
}  # fmt: skip
EXTRAS = {
    "image", "resize_mode", "show_extras_results", "gfpgan_visibility", "codeformer_visibility", "codeformer_weight",
    "upscaling_resize", "upscaling_resize_w", "upscaling_resize_h", "upscaling_crop", "upscaler_1", "upscaler_2",
    "extras_upscaler_2_visibility", "upscale_first",
}  # fmt: skip
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}


def trouble(status: int, detail: Any, error: str = "HTTPException", **headers: str) -> Answer:
    """The API's error body; usable as a scripted fault as well."""
    body = {"error": error, "detail": detail, "body": "", "errors": "" if detail else error}
    return Answer(status, body, dashed(headers))


BAD_LOGIN = trouble(401, "Incorrect username or password", www_authenticate="Basic")


class SdWebui(Emulator):
    """The server. With `seconds` a generation takes so long in ten steps, and an interrupt ends it early.

    `login` is that of --api-auth, as user:password; empty for none.
    """

    free = (f"{PREFIX}/sd-models", f"{PREFIX}/upscalers", f"{PREFIX}/progress", f"{PREFIX}/interrupt")

    def __init__(self) -> None:
        posts = {"txt2img": self.txt2img, "img2img": self.img2img, "extra-single-image": self.upscale}
        lists: dict[str, list[dict[str, Any]]] = {
            "sd-models": [{"title": title, "model_name": name, "hash": None} for title, name in CHECKPOINTS.items()],
            "samplers": [{"name": name, "aliases": [], "options": {}} for name in SAMPLERS],
            "upscalers": [{"name": name, "model_name": None, "scale": 4} for name in UPSCALERS],
        }
        routes = [Route(f"{PREFIX}/{path}", answer, methods=["POST"]) for path, answer in posts.items()]
        routes += [Route(f"{PREFIX}/{path}", self._listing(rows)) for path, rows in lists.items()]
        routes += [
            Route(f"{PREFIX}/progress", self.progress),
            Route(f"{PREFIX}/interrupt", self.interrupt, methods=["POST"]),
            Route(f"{PREFIX}/options", self.options),
        ]
        super().__init__(routes)
        self.reset()

    def reset(self) -> None:
        """As new, on the same port."""
        self.seconds = 0.0
        self.login = ""
        self.checkpoint = next(iter(CHECKPOINTS))
        self.grid = False
        self.dropped = list[str]()
        self.task: str | None = None
        self.step, self.interrupts, self.interrupted = 0, 0, False
        self.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request without the login, as the server's own check does."""
        given = dict(scope.get("headers", ())).get(b"authorization", b"").decode()
        if self.login and given != f"Basic {base64.b64encode(self.login.encode()).decode()}":
            await BAD_LOGIN(scope, receive, send, self.app)
            return
        await super().__call__(scope, receive, send)

    def _listing(self, rows: list[dict[str, Any]]) -> Any:
        async def listed(request: Request) -> Response:
            return JSONResponse(rows)

        return listed

    async def options(self, request: Request) -> Response:
        """GET /options"""
        return JSONResponse({"sd_model_checkpoint": self.checkpoint, "samples_format": "png"})

    async def progress(self, request: Request) -> Response:
        """GET /progress"""
        state = {"job": "scripts_txt2img" if self.task else "", "sampling_step": self.step, "sampling_steps": 10}
        state |= {"job_no": 0, "job_count": 1, "skipped": False, "interrupted": self.interrupted, "job_timestamp": "0"}
        progress = {"progress": self.step / 10, "eta_relative": 1.0, "state": state, "current_image": None}
        return JSONResponse({**progress, "textinfo": None, "current_task": self.task})

    async def interrupt(self, request: Request) -> Response:
        """POST /interrupt, whoever runs"""
        self.interrupts += 1
        self.interrupted = True
        return JSONResponse({})

    async def txt2img(self, request: Request) -> Response:
        """POST /txt2img"""
        return await self._generated(await request.body(), TXT2IMG)

    async def img2img(self, request: Request) -> Response:
        """POST /img2img"""
        return await self._generated(await request.body(), IMG2IMG)

    async def _generated(self, raw: bytes, fields: set[str]) -> Response:
        body: dict[str, Any] = json.loads(raw)
        self.dropped += sorted(set(body) - fields)
        self._check(body, fields)
        settings: dict[str, str] = body.get("override_settings", {})
        if wanted := settings.get("sd_model_checkpoint"):
            self.checkpoint = wanted if wanted in CHECKPOINTS else self.checkpoint  # an unknown one is ignored
        await self._draws(body.get("force_task_id", "task(none)"))
        count = body.get("n_iter", 1) * body.get("batch_size", 1)
        seed = body.get("seed", -1)
        seeds = [(seed if seed >= 0 else 1234) + number for number in range(count)]
        size = (body.get("width", 512), body.get("height", 512))
        format = FORMATS[settings.get("samples_format", "png")]
        images = [in_base64(size, format, f"#{seed % 0xFFFFFF:06x}") for seed in seeds]
        info = {
            "prompt": body.get("prompt", ""),
            "seed": seeds[0],
            "all_seeds": seeds,
            "width": size[0],
            "height": size[1],
            "sampler_name": body.get("sampler_name", "Euler"),
            "steps": body.get("steps", 50),
            "sd_model_name": CHECKPOINTS[self.checkpoint],
            "index_of_first_image": int(self.grid),
        }
        grid = [in_base64(size, format, "white")] if self.grid else []
        return JSONResponse({"images": [*grid, *images], "parameters": {}, "info": json.dumps(info)})

    def _check(self, body: dict[str, Any], fields: set[str]) -> None:
        if body.get("sampler_name", "Euler") not in SAMPLERS:
            raise RefusedError(trouble(404, "Sampler not found"))
        size: list[Any] = [body.get("width", 512), body.get("height", 512)]
        if any(type(edge) is not int or edge % 8 for edge in size) or not 1 <= body.get("steps", 50) <= 150:
            detail = [{"loc": ["body", "width"], "msg": "value is not valid", "type": "value_error"}]
            raise RefusedError(Answer(422, {"detail": detail}))
        if max(size) > 2048:
            raise RefusedError(trouble(500, "", "OutOfMemoryError"))
        if fields is IMG2IMG:
            if not body.get("init_images"):
                raise RefusedError(trouble(404, "Init image not found"))
            try:
                for data in [*body["init_images"], *([body["mask"]] if "mask" in body else [])]:
                    opened(data).load()
            except (ValueError, OSError):
                raise RefusedError(trouble(500, "Invalid encoded image")) from None

    async def _draws(self, task: str) -> None:
        self.task, self.step, self.interrupted = task, 0, False
        while self.step < 10 and not self.interrupted:
            await anyio.sleep(self.seconds / 10)
            self.step += 1
        self.task, self.step = None, 0

    async def upscale(self, request: Request) -> Response:
        """POST /extra-single-image"""
        body: dict[str, Any] = json.loads(await request.body())
        self.dropped += sorted(set(body) - EXTRAS)
        if body.get("upscaler_1", "None") not in UPSCALERS:
            return trouble(500, "", "KeyError").response()
        try:
            image = opened(body.get("image", ""))
            image.load()
        except (ValueError, OSError):
            return trouble(500, "Invalid encoded image").response()
        factor: float = body.get("upscaling_resize", 2)
        size = (round(image.width * factor), round(image.height * factor))
        return JSONResponse({"image": in_base64(size, "PNG", "black"), "html_info": ""})


def in_base64(size: tuple[int, int], format: str, colour: str) -> str:
    """An image of one colour."""
    return base64.b64encode(plain(size, format, colour)).decode()
