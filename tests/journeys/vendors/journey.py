"""The journey of one vendor: what is asked, and what its emulator must have seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from atelier.providers.testing.conformance.bench import Bench
from atelier.providers.vendors.hosts.settings import HOSTS
from atelier.providers.vendors.registry import package_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A vendor's journey.

    generate, edit  arguments beside the prompt; `edit` is of the image that was generated
    usd             what an image of `generate` costs, None where no price is known
    links           makes the emulator answer such that the images can be collected after a crash
    environ         further variables
    tolerance       relative difference between estimate, cost and `usd`, where tokens are counted
    names_its_task  the caller names the task, so that it is stored before the request is sent
    """

    generate: Mapping[str, Any] = field(default_factory=dict[str, Any])
    edit: Mapping[str, Any] = field(default_factory=dict[str, Any])
    usd: float | None = None
    links: Callable[[Any], None] = lambda host: None
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerance: float = 1e-6
    names_its_task: bool = False


def always_links(host: Any) -> None:
    host.always_links = True


def links(host: Any) -> None:
    host.links = True


JOURNEYS: dict[str, Journey] = {
    "ideogram": Journey(generate={"quality": "turbo"}, edit={"strength": 0.3}, usd=0.03),
    "comfyui": Journey(edit={"strength": 0.3}, usd=0, names_its_task=True),
    "sd-webui": Journey(edit={"strength": 0.3}, usd=0),
    "replicate": Journey(edit={"strength": 0.3}, usd=0.025),
    "fal": Journey(edit={"strength": 0.3}, usd=0.025),
    "leonardo": Journey(generate={"model": "phoenix-1.0"}, edit={"model": "kino-xl", "strength": 0.3}, usd=0.0147),
    "midjourney": Journey(generate={"quality": "fast"}, edit={"options": ["reference=style"]}, usd=0.04),
    "bedrock": Journey(edit={"model": "stability.sd3-5-large-v1:0", "strength": 0.3}, usd=0.04),
    "litellm": Journey(links=links),
    "together": Journey(links=always_links),
    "openrouter": Journey(
        links=links,
        generate={"model": "openrouter/bytedance-seed/seedream-4.5"},
        edit={"model": "openrouter/google/gemini-3-pro-image"},
        usd=0.04,
    ),
    "azure": Journey(
        links=links,
        usd=0.05,
        environ={
            HOSTS: '[{"name": "azure", "models": [{"id": "painter", "like": "gpt-image-2.5-flare", "usd": 0.05}]}]'
        },
    ),
    "vertex": Journey(generate={"output_format": "jpeg"}, usd=0.0336, tolerance=1e-3, links=links),
    "recraft": Journey(edit={"strength": 0.3}, usd=0.035, links=always_links),
}


def bench_of(vendor: str) -> Bench:
    """Return the vendor's bench."""
    return import_module(f"tests.conformance.benches.{package_of(vendor)}").BENCH
