"""The built-in graphs in ComfyUI's API format: nodes with inputs, where a link is `[node id, output index]`.

A file name is the usual one of its family until `files` puts the server's in its place. A seed of 0 that the caller did
not give is replaced as the graph is sent, since the server would answer an equal graph from its cache.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from atelier.providers.core.gates.option_gates import SIDES
from atelier.providers.core.types import Picture
from atelier.providers.vendors.comfyui.models import DEFAULT, FLUX, OUTPAINT, QWEN, UPSCALE, Z_IMAGE
from atelier.providers.vendors.contract import Job

Graph = dict[str, dict[str, Any]]
Link = list[Any]

MAX_SOURCE_PIXELS = 1536**2  # a larger source is changed at this size, because memory would run out
SQUARE = (1024, 1024)
PREFIX = "atelier"
FEATHERING = 40  # pixels over which the source blends into its new sides, the node's own default
GROWN_BY = 6  # pixels by which an inpainting checkpoint's mask grows, the node's own default
STEP = 8  # of a padding, and of the sizes of SDXL

STEPS = {DEFAULT: 25, FLUX: 20, Z_IMAGE: 8, QWEN: 50}
CFGS = {DEFAULT: 7.0, FLUX: 1.0, Z_IMAGE: 1.0, QWEN: 4.0}
SAMPLERS = {DEFAULT: ("euler", "normal"), Z_IMAGE: ("res_multistep", "simple")}
SHIFTS = {Z_IMAGE: 3.0, QWEN: 3.1}


class Builder:
    """Collects the nodes of a graph."""

    def __init__(self) -> None:
        self.graph: Graph = {}

    def add(self, class_type: str, **inputs: Any) -> str:
        """Add a node and return its id."""
        id = str(len(self.graph) + 1)
        self.graph[id] = {"class_type": class_type, "inputs": inputs}
        return id


def file_name(source: Picture) -> str:
    """Return the name under which a source is uploaded: equal content has one name."""
    return f"{PREFIX}-{hashlib.sha256(source.image_bytes).hexdigest()[:24]}.{source.format}"


def graph_of(job: Job) -> Graph:
    """Return the graph of a listed model."""
    build = Builder()
    image = _upscaled(build, job) if job.model.id == UPSCALE else _drawn(build, job)
    build.add("SaveImage", images=[image, 0], filename_prefix=PREFIX)
    return build.graph


def _upscaled(build: Builder, job: Job) -> str:
    model = build.add("UpscaleModelLoader", model_name=job.request.options.get("upscaler", "RealESRGAN_x4plus.pth"))
    source = build.add("LoadImage", image=file_name(job.request.sources[0]))
    return build.add("ImageUpscaleWithModel", upscale_model=[model, 0], image=[source, 0])


def _drawn(build: Builder, job: Job) -> str:
    request, options = job.request, job.request.options
    id = DEFAULT if job.model.id == OUTPAINT else job.model.id
    model, clip, vae = _loaded(build, id, options)
    if id in SHIFTS:
        model = [build.add("ModelSamplingAuraFlow", model=model, shift=SHIFTS[id]), 0]
    positive: Link = [build.add("CLIPTextEncode", text=request.prompt, clip=clip), 0]
    if id in (FLUX, Z_IMAGE):
        negative: Link = [build.add("ConditioningZeroOut", conditioning=positive), 0]
    else:
        negative = [build.add("CLIPTextEncode", text=request.negative_prompt or "", clip=clip), 0]
    if id == FLUX:
        positive = [build.add("FluxGuidance", conditioning=positive, guidance=options.get("guidance", 3.5)), 0]
    latent = _latent(build, job, vae)
    sampler, scheduler = SAMPLERS.get(id, ("euler", "simple"))
    sampled = build.add(
        "KSampler",
        model=model,
        seed=request.seed or 0,
        steps=options.get("steps", STEPS[id]),
        cfg=options.get("cfg", CFGS[id]),
        sampler_name=options.get("sampler_name", sampler),
        scheduler=options.get("scheduler", scheduler),
        positive=positive,
        negative=negative,
        latent_image=latent,
        denoise=_denoise(job),
    )
    return build.add("VAEDecode", samples=[sampled, 0], vae=vae)


def _loaded(build: Builder, id: str, options: Mapping[str, Any]) -> tuple[Link, Link, Link]:
    """Return model, text encoder and VAE."""
    if id == DEFAULT:
        loader = build.add("CheckpointLoaderSimple", ckpt_name=options.get("checkpoint", "sd_xl_base_1.0.safetensors"))
        return [loader, 0], [loader, 1], [loader, 2]
    usual = {
        FLUX: "flux1-dev.safetensors",
        Z_IMAGE: "z_image_turbo_bf16.safetensors",
        QWEN: "qwen_image_2512_fp8_e4m3fn.safetensors",
    }
    model = build.add("UNETLoader", unet_name=options.get("checkpoint", usual[id]), weight_dtype="default")
    if id == FLUX:
        names = {"clip_name1": "t5xxl_fp16.safetensors", "clip_name2": "clip_l.safetensors"}
        clip = build.add("DualCLIPLoader", **names, type="flux")
    elif id == Z_IMAGE:
        clip = build.add("CLIPLoader", clip_name="qwen_3_4b.safetensors", type="lumina2")
    else:
        clip = build.add("CLIPLoader", clip_name="qwen_2.5_vl_7b_fp8_scaled.safetensors", type="qwen_image")
    vae = build.add("VAELoader", vae_name="qwen_image_vae.safetensors" if id == QWEN else "ae.safetensors")
    return [model, 0], [clip, 0], [vae, 0]


def _denoise(job: Job) -> float:
    """Return how much of a source is replaced: all of an empty image or place, else the strength, which ComfyUI means
    alike."""
    if job.request.strength is not None:
        return job.request.strength
    empty = not job.request.sources or job.model.id == OUTPAINT or _inpaints(job)
    return 1.0 if empty else 0.75


def _inpaints(job: Job) -> bool:
    """Return whether a mask is for a checkpoint that was trained to fill one, which its name tells."""
    masked = job.request.mask is not None or job.model.id == OUTPAINT
    return masked and "inpaint" in str(job.request.options.get("checkpoint", "")).lower()


def _latent(build: Builder, job: Job, vae: Link) -> Link:
    """Return the start: an empty image, or the source, with the mask inside which it changes."""
    if not job.request.sources:
        width, height = job.size or SQUARE
        kind = "EmptyLatentImage" if job.model.id == DEFAULT else "EmptySD3LatentImage"
        return [build.add(kind, width=width, height=height, batch_size=1), 0]
    pixels, mask = _padded(build, job) if job.model.id == OUTPAINT else _changed(build, job)
    if mask and _inpaints(job):
        return [build.add("VAEEncodeForInpaint", pixels=pixels, vae=vae, mask=mask, grow_mask_by=GROWN_BY), 0]
    latent: Link = [build.add("VAEEncode", pixels=pixels, vae=vae), 0]
    return [build.add("SetLatentNoiseMask", samples=latent, mask=mask), 0] if mask else latent


def _changed(build: Builder, job: Job) -> tuple[Link, Link | None]:
    """Return the source, and the mask if there is one; white changes."""
    source, mask = job.request.sources[0], job.request.mask
    size = job.size or size_of(source, job.model.size_rule.step if job.model.size_rule else STEP)
    pixels = _scaled(build, source, size)
    return pixels, mask and [build.add("ImageToMask", image=_scaled(build, mask, size), channel="red"), 0]


def _padded(build: Builder, job: Job) -> tuple[Link, Link]:
    """Return the source with empty sides, and the mask of them."""
    source, options = job.request.sources[0], job.request.options
    sides = {side: int(options.get(side) or 0) for side in SIDES}
    width, height = source.width + sides["left"] + sides["right"], source.height + sides["top"] + sides["bottom"]
    scale = min(1.0, math.sqrt(MAX_SOURCE_PIXELS / (width * height)))
    pixels = _scaled(build, source, (_in_steps(source.width * scale), _in_steps(source.height * scale)))
    paddings = {side: _in_steps(extent * scale) if extent else 0 for side, extent in sides.items()}
    padded = build.add("ImagePadForOutpaint", image=pixels, **paddings, feathering=FEATHERING)
    return [padded, 0], [padded, 1]


def _in_steps(pixels: float) -> int:
    return max(STEP, round(pixels / STEP) * STEP)


def _scaled(build: Builder, source: Picture, size: tuple[int, int]) -> Link:
    loaded = build.add("LoadImage", image=file_name(source))
    if (source.width, source.height) == size:
        return [loaded, 0]
    width, height = size
    return [
        build.add(
            "ImageScale", image=[loaded, 0], upscale_method="lanczos", width=width, height=height, crop="disabled"
        ),
        0,
    ]


def size_of(source: Picture, step: int) -> tuple[int, int]:
    """Return the size in which a source is changed: its own in steps, within the memory of usual machines."""
    scale = min(1.0, math.sqrt(MAX_SOURCE_PIXELS / (source.width * source.height)))
    return max(64, round(source.width * scale / step) * step), max(64, round(source.height * scale / step) * step)
