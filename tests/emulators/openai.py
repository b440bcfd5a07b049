"""OpenAI's emulator, under the name by which tools outside of the tests start it; it lives in the test kit."""

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.openai_rules import KEY

__all__ = ["KEY", "OpenAI"]
