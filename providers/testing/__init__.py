"""The test kit: for programs that use the library, and for vendors of other distributions. See docs/library.md.

Start with `scripted` (ScriptedProvider), a vendor that answers as a test says. Nothing in the product imports the kit.
"""

from __future__ import annotations

from atelier.providers.testing.scripted import Delay, Held, ScriptedProvider, sent

__all__ = ["Delay", "Held", "ScriptedProvider", "sent"]
