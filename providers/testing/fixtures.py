"""Fixtures for pytest: `<vendor>_emulator` serves the emulator of a vendor on a loopback port until the test ends.

A suite takes them with `pytest_plugins = ["atelier.providers.testing.fixtures"]`. `emulator.environ_for("openai")`
returns the environment that sends the vendor's calls there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import pytest

from atelier.providers.testing.emulators.azure import Azure
from atelier.providers.testing.emulators.bedrock import Bedrock
from atelier.providers.testing.emulators.comfyui import Comfyui
from atelier.providers.testing.emulators.fal import Fal
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.testing.emulators.ideogram import Ideogram
from atelier.providers.testing.emulators.leonardo import Leonardo
from atelier.providers.testing.emulators.litellm import LiteLLM
from atelier.providers.testing.emulators.midjourney import Midjourney
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.openrouter import OpenRouter
from atelier.providers.testing.emulators.recraft import Recraft
from atelier.providers.testing.emulators.replicate import Replicate
from atelier.providers.testing.emulators.sd_webui import SdWebui
from atelier.providers.testing.emulators.stability import Stability
from atelier.providers.testing.emulators.together import Together
from atelier.providers.testing.emulators.vertex import Vertex
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.server import Emulator

Served = TypeVar("Served", bound=Emulator)


def served(emulator: Served) -> Iterator[Served]:
    """Serve an emulator for one test, so that a late request of one test does not reach the next."""
    with emulator.serving():
        yield emulator


@pytest.fixture
def bedrock_emulator() -> Iterator[Bedrock]:
    yield from served(Bedrock())


@pytest.fixture
def azure_emulator() -> Iterator[Azure]:
    yield from served(Azure())


@pytest.fixture
def comfyui_emulator() -> Iterator[Comfyui]:
    yield from served(Comfyui())


@pytest.fixture
def fal_emulator() -> Iterator[Fal]:
    yield from served(Fal())


@pytest.fixture
def flux_emulator() -> Iterator[Flux]:
    yield from served(Flux())


@pytest.fixture
def gemini_emulator() -> Iterator[Gemini]:
    yield from served(Gemini())


@pytest.fixture
def ideogram_emulator() -> Iterator[Ideogram]:
    yield from served(Ideogram())


@pytest.fixture
def leonardo_emulator() -> Iterator[Leonardo]:
    yield from served(Leonardo())


@pytest.fixture
def litellm_emulator() -> Iterator[LiteLLM]:
    yield from served(LiteLLM())


@pytest.fixture
def midjourney_emulator() -> Iterator[Midjourney]:
    yield from served(Midjourney())


@pytest.fixture
def openai_emulator() -> Iterator[OpenAI]:
    yield from served(OpenAI())


@pytest.fixture
def openrouter_emulator() -> Iterator[OpenRouter]:
    yield from served(OpenRouter())


@pytest.fixture
def recraft_emulator() -> Iterator[Recraft]:
    yield from served(Recraft())


@pytest.fixture
def replicate_emulator() -> Iterator[Replicate]:
    yield from served(Replicate())


@pytest.fixture
def sd_webui_emulator() -> Iterator[SdWebui]:
    yield from served(SdWebui())


@pytest.fixture
def stability_emulator() -> Iterator[Stability]:
    yield from served(Stability())


@pytest.fixture
def together_emulator() -> Iterator[Together]:
    yield from served(Together())


@pytest.fixture
def vertex_emulator() -> Iterator[Vertex]:
    yield from served(Vertex())


@pytest.fixture
def xai_emulator() -> Iterator[XAI]:
    yield from served(XAI())
