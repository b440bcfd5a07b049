"""Leonardo's model rows. Facts: the vendor's SDK 7.0.0, docs copies up to 2026-09, lists read by third parties.

`wire` is v1/{model id}, v2/{word}, or the path of a tool. v1 takes any model id as `leonardo/{uuid}`, v2 any word as
`leonardo/{word}`. Doubtful, so not offered: canvas inpainting with Lucid and FLUX, init images with Lucid and Phoenix
(which take references), and sizes of v2 models that no page lists. v2 refuses an unknown key, and does not bill that.
"""

from __future__ import annotations

from typing import Any

from atelier.providers.core.gates.option_limits import Limit, number, one_of, option_columns, whole
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import Feature, Model, Operation

GENERATE, INPAINT = Operation.GENERATE, Operation.INPAINT
REDRAW = (Operation.EDIT, Operation.VARIATION)  # by a prompt that describes the whole result, not the change

STYLE_IDS = {
    "none": "556c1ee5-ec38-42e8-955a-1e82dad0ffa1",
    "dynamic": "111dc692-d470-4eec-b791-3475abac4c46",
    "3d-render": "debdf72a-91a4-467b-bf61-cc02bdeb69c6",
    "acrylic": "3cbb655a-7ca4-463f-b697-8a03ad67327c",
    "creative": "6fedbf1f-4a17-45ec-84fb-92fe524a29ef",
    "fashion": "594c4a08-a522-4e0e-b7ff-e4dac4b6b622",
    "illustration": "645e4195-f63d-4715-a3f2-3fb1e6eb8c70",
    "portrait": "8e2bc543-6ee2-45f9-bcd9-594b6ce84dcd",
    "ray-traced": "b504f83c-3326-4947-82e1-7fe9e839ec0f",
    "stock-photo": "5bdc3f2a-1be6-4d1c-8e77-992a30824a2c",
    "watercolor": "1db308ce-c7ad-4d10-96fd-592fa6b75cc4",
}
"""Style -> uuid; other models know styles by a word."""

PRESETS = (
    "anime", "bokeh", "cinematic", "cinematic_closeup", "creative", "dynamic", "environment", "fashion", "film", "food",
    "general", "hdr", "illustration", "long_exposure", "macro", "minimalistic", "monochrome", "moody", "neutral",
    "none", "photography", "portrait", "raytraced", "render_3d", "retro", "sketch_bw", "sketch_color", "stock_photo",
    "unprocessed", "vibrant",
)  # fmt: skip

LUCID, PHOENIX, SDXL = "lucid", "phoenix", "sdxl"
FAMILIES = {
    "7b592283-e8a7-4c5a-9ba6-d18c31f258b9": LUCID,
    "05ce0082-2d80-4a2d-8653-4d1c85e2418e": LUCID,
    "de7d3faf-762f-48e0-b3b7-9d0ac3a3fcf3": PHOENIX,
    "6b645e3a-d64f-4341-a6d8-7a3690fbf042": PHOENIX,
    "aa77f04e-3eec-4034-9c07-d0f619684628": SDXL,
    "b24e16ff-06e3-43eb-8d33-4416c2d75876": SDXL,
}
"""Model id of v1 -> family. The id of Kino XL is from third parties' code; the others are the vendor's docs'."""

REFERENCES = {
    LUCID: {"style": 431, "content": 430},
    PHOENIX: {"style": 166, "character": 397, "content": 364},
}
"""Family -> what a source is a reference for -> the id of the preprocessor."""

CONTRASTS = {LUCID: (3.0, 3.5, 4.0), PHOENIX: (1.0, 1.3, 1.8, 2.5, 3.0, 3.5, 4.0, 4.5)}
RULE = SizeRule(step=8, min_edge=32, max_edge=1536, max_pixels=1536**2, max_ratio=48)
WEIGHED = frozenset({Feature.SEED, Feature.NEGATIVE_PROMPT, Feature.STRENGTH})
OWN = (whole("guidance_scale", 1, 20), whole("num_inference_steps", 10, 60))
UPSCALER, CUT_OUT, UNZOOM = "variations/universal-upscaler", "v2/remove-bg", "variations/unzoom"


def v1(id: str, model_id: str, *operations: Operation, own: tuple[Limit, ...] = (), **columns: Any) -> Model:
    """Return a row of the first API, which makes up to four images of any size in a call."""
    common: dict[str, Any] = {
        "styles": tuple(STYLE_IDS) if FAMILIES[model_id] != SDXL else PRESETS,
        "size_rule": RULE,
        "qualities": ("auto", "alchemy"),  # which multiplies the price, and is off without it
        "features": WEIGHED,
        "max_sources": 1,
        **option_columns(*OWN, *own),
    }
    more: dict[str, Any] = {"links": True, "max_count": 4, "max_seed": 9_999_999_998, "max_prompt": 1_500}
    wire = f"v1/{model_id}"
    return Model(id=id, operations=frozenset({GENERATE, *operations}), wire=wire, **{**more, **common, **columns})


def guided(id: str, model_id: str) -> Model:
    """Return a row of Lucid or Phoenix, which take a source as a reference for style, content or a character."""
    family = FAMILIES[model_id]
    contrast = number("contrast", min(CONTRASTS[family]), max(CONTRASTS[family]))
    own = (one_of("reference", *REFERENCES[family]), contrast)
    return v1(id, model_id, *REDRAW, own=own, qualities=("auto", "alchemy", "ultra"))


def v2(id: str, *, sources: int = 0, seed: int = 0, **columns: Any) -> Model:
    """Return a row of a partner's model; `leonardo/{word}` names it as the vendor does."""
    more: dict[str, Any] = {"links": True, "max_prompt": 2_000, "max_sources": sources, "max_count": 8}
    operations = frozenset({GENERATE, *((Operation.EDIT,) if sources else ())})
    features = frozenset({Feature.SEED}) if seed else frozenset[Feature]()
    row: dict[str, Any] = {"operations": operations, "features": features, "max_seed": seed or 1, **more, **columns}
    return Model(id=f"leonardo-{id}", aliases=(f"leonardo/{id}",), wire=f"v2/{id}", **row)


def free_size(step: int, low: int, high: int) -> SizeRule:
    return SizeRule(step=step, min_edge=low, max_edge=high, max_pixels=high**2, max_ratio=high / low)


BANANA_SIZES = (
    "1024x1024", "848x1264", "1264x848", "896x1200", "1200x896", "928x1152", "1152x928", "768x1376", "1376x768",
)  # fmt: skip
GPT_SIZES = ("1024x1024", "1536x1024", "1024x1536")
QUALITIES = ("low", "medium", "high")
DEFAULT = "lucid-origin"

MODELS = (
    guided(DEFAULT, "7b592283-e8a7-4c5a-9ba6-d18c31f258b9"),
    guided("lucid-realism", "05ce0082-2d80-4a2d-8653-4d1c85e2418e"),
    guided("phoenix-1.0", "de7d3faf-762f-48e0-b3b7-9d0ac3a3fcf3"),
    guided("phoenix-0.9", "6b645e3a-d64f-4341-a6d8-7a3690fbf042"),
    v1("kino-xl", "aa77f04e-3eec-4034-9c07-d0f619684628", *REDRAW, INPAINT, features=WEIGHED | {Feature.MASK}),
    v1("lightning-xl", "b24e16ff-06e3-43eb-8d33-4416c2d75876", *REDRAW),
    v2("flux-schnell", seed=2_147_483_637, size_rule=free_size(8, 32, 2048)),
    v2("flux-pro-2.0", sources=4, seed=2**32 - 1, size_rule=free_size(16, 256, 1440)),
    v2("gemini-image-2", sources=6, sizes=BANANA_SIZES),
    v2("seedream-5.0-pro", sources=10, max_count=6, size_rule=free_size(8, 768, 2048), formats=("jpeg", "png")),
    v2("gpt-image-2", sources=6, sizes=GPT_SIZES, qualities=QUALITIES),
    v2("recraft-v4", max_count=6, sizes=("1024x1024", "1536x768", "768x1536", "1344x768", "768x1344")),
    Model(
        id="leonardo-universal-upscaler",
        operations=frozenset({Operation.UPSCALE}),
        links=True,
        max_sources=1,
        max_prompt=1_500,
        wire=UPSCALER,
        **option_columns(
            number("upscale_multiplier", 1, 2),
            whole("creativity_strength", 1, 10),
            one_of("upscaler_style", "general", "cinematic", "2d art & illustration", "cg art & game assets"),
        ),
    ),
    Model(
        id="leonardo-remove-background",
        operations=frozenset({Operation.REMOVE_BACKGROUND}),
        formats=("png", "jpeg", "webp"),
        links=True,
        max_sources=1,
        max_prompt=0,
        wire=CUT_OUT,
    ),
    Model(
        id="leonardo-unzoom",
        operations=frozenset({Operation.VARIATION}),
        links=True,
        max_sources=1,
        max_prompt=0,
        wire=UNZOOM,
    ),
)
