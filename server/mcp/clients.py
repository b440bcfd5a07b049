"""What is known of single hosts by the name that they send as `clientInfo`, and what the settings make of it.

A capability would be better, but no host declares how it treats a result. A host that is not in the table is treated by
the general rules; the settings overrule the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mcp.server.session import ServerSession

from atelier.server.mcp.previews import SMALL, PreviewLimits
from atelier.server.settings import Settings
from atelier.tools.tool import ANSWER_BUDGET


class Host(NamedTuple):
    """How a host treats results.

    keeps_images      shows the model the images of a result that has a structured part as well
    images_are_text   pastes the base64 of an image into the model's context
    inline_bytes      of images that one result may carry
    """

    keeps_images: bool = True
    images_are_text: bool = False
    inline_bytes: int = ANSWER_BUDGET


UNKNOWN = Host()

HOSTS: Mapping[str, Host] = {
    "codex-mcp-client": Host(keeps_images=False),  # codex-rs, tool results, read in November 2026
    "google-adk": Host(images_are_text=True),  # google-adk 2.13, session_context.py, 2026-11
    "Visual Studio Code": Host(inline_bytes=5 * 2**20),  # no limit found in its source, November 2026
    "LibreChat": Host(inline_bytes=7 * 2**20),  # 10 MiB of base64 for each image, read in November 2026
    "@librechat/api-client": Host(inline_bytes=7 * 2**20),
}
"""Name -> what is known of it. LlamaIndex, AutoGen and smolagents send the Python SDK's own name, as others do."""


def host_of(session: ServerSession) -> Host:
    """Return what is known of the host at the other end of a session."""
    params = session.client_params
    return HOSTS.get(params.client_info.name, UNKNOWN) if params else UNKNOWN


def preview_limits(host: Host, settings: Settings) -> PreviewLimits | None:
    """Return the limits of previews for a host; None for no previews."""
    if settings.preview == "off":
        return None
    if settings.preview == "small" or host.images_are_text:
        return SMALL
    return PreviewLimits(edge=settings.preview_pixels)
