"""Images to show in the studio: small landscapes drawn by formulas, stored with records as the vendors' images have."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFilter

from atelier.providers.core.tracing import new_id
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.identify import picture
from atelier.providers.testing.images import encoded_png

Colour = tuple[int, int, int]


class Scene(NamedTuple):
    """The words of an image, its model and price, its size and its colours from the sky to the ground."""

    prompt: str
    model: str
    usd: float
    size: tuple[int, int]
    colours: Sequence[Colour]
    moon: bool = False


DAWN: Sequence[Colour] = ((247, 197, 159), (239, 133, 116), (150, 84, 110), (84, 56, 92), (42, 34, 66))
DAY: Sequence[Colour] = ((190, 222, 240), (240, 246, 244), (142, 178, 160), (84, 130, 110), (40, 80, 74))
NIGHT: Sequence[Colour] = ((18, 24, 58), (46, 62, 112), (38, 52, 92), (26, 36, 68), (14, 20, 42))
DESERT: Sequence[Colour] = ((252, 226, 180), (246, 190, 120), (214, 138, 82), (168, 94, 62), (110, 58, 48))
SNOW: Sequence[Colour] = ((214, 226, 238), (248, 250, 252), (196, 210, 226), (150, 170, 196), (98, 120, 152))
SEA: Sequence[Colour] = ((250, 214, 190), (190, 214, 222), (110, 168, 184), (58, 120, 144), (26, 70, 98))

SCENES = (
    Scene("Dunes in the evening, long shadows", "xai/grok-imagine-image-pro", 0.07, (768, 768), DESERT),
    Scene("First snow on the pass, film photograph", "gemini/gemini-3-pro-image", 0.134, (768, 512), SNOW),
    Scene("A quiet bay before the tourists come", "flux/flux-2-pro", 0.045, (768, 768), SEA),
    Scene("Hills at dawn, gouache, soft layers of mist", "openai/gpt-image-2.5-flare", 0.053, (1024, 1024), DAWN),
    Scene("Terraced hills at noon, wide and calm", "stability/core", 0.03, (768, 512), DAY),
    Scene("Full moon over blue ridges", "openai/gpt-image-2.5-flare", 0.053, (768, 768), NIGHT, moon=True),
    Scene("Red canyon, poster of the thirties", "recraft/recraftv4", 0.04, (512, 768), DESERT),
    Scene("Fjord in winter, hardly any colour", "flux/flux-2-pro", 0.045, (768, 768), SNOW),
)
EDIT = Scene(
    "The same hills by night, with a full moon", "openai/gpt-image-2.5-flare", 0.061, (1024, 1024), NIGHT, moon=True
)
VARIANTS = (
    Scene(SCENES[3].prompt, "gemini/gemini-3-pro-image", 0.134, (1024, 1024), (DAWN[0], SNOW[1], *SEA[2:])),
    Scene(SCENES[3].prompt, "flux/flux-2-pro", 0.045, (1024, 1024), (DESERT[0], DAWN[0], DESERT[2], *DAWN[2:4])),
)
"""The same words by other models, for a comparison."""


def drawn(scene: Scene, seed: int = 1) -> Image.Image:
    """Return the image: a sky, a sun or a moon, and ranges of hills that get darker towards the front."""
    width, height = scene.size
    sky, low, *ranges = scene.colours
    image = Image.linear_gradient("L").transform(scene.size, Image.Transform.EXTENT, (0, 0, 256, 256))
    image = Image.composite(Image.new("RGB", scene.size, low), Image.new("RGB", scene.size, sky), image)
    draw, chance = ImageDraw.Draw(image), random.Random(seed)
    x, y, radius = width * 0.68, height * 0.24, min(width, height) * 0.07
    glow = Image.new("L", scene.size)
    ImageDraw.Draw(glow).ellipse((x - 2 * radius, y - 2 * radius, x + 2 * radius, y + 2 * radius), 90)
    image.paste((255, 250, 235), mask=glow.filter(ImageFilter.GaussianBlur(radius)))
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), (250, 244, 224) if scene.moon else (255, 240, 205))
    for depth, colour in enumerate((*ranges, tuple(part * 2 // 3 for part in ranges[-1]))):
        waves = [(chance.uniform(0.6, 3.2), chance.uniform(0, 7)) for _ in range(4)]
        base = height * (0.5 + 0.14 * depth)
        ridge = [(at, base - height * 0.055 * _wave(4 * at / width, waves)) for at in range(-4, width + 5, 4)]
        draw.polygon([(-4, height + 4), *ridge, (width + 4, height + 4)], colour)
    return image.filter(ImageFilter.GaussianBlur(0.6))


def _wave(at: float, waves: Sequence[tuple[float, float]]) -> float:
    return sum(math.sin(at * speed + phase) / speed for speed, phase in waves)


async def store_scenes(storage: Storage, more: Sequence[Scene] = ()) -> list[str]:
    """Store `more` and every scene, with an edit of the fourth one last; return the ids, oldest first."""
    scenes, began = (*more, *SCENES, EDIT), datetime(2026, 11, 27, 9, tzinfo=UTC)
    ids, edited = sorted(new_id("img") for _ in scenes), len(more) + 3
    for number, (id, scene) in enumerate(zip(ids, scenes, strict=True)):
        provider, _, model = scene.model.partition("/")
        image = picture(encoded_png(drawn(scene, seed=edited if scene is EDIT else number)))
        record: dict[str, Any] = {
            "id": id,
            "prompt": scene.prompt,
            "provider": provider,
            "model": model,
            "operation": "inpaint" if scene is EDIT else "generate",
            "actual_usd": scene.usd,
            "created_at": (began + timedelta(minutes=13 * number)).isoformat(timespec="seconds"),
            "width": image.width,
            "height": image.height,
            "mime": image.mime,
            "bytes": len(image.image_bytes),
            "parent": ids[edited] if scene is EDIT else None,
        }
        await storage.put(id, image, record)
    return ids
