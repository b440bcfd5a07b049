"""Azure OpenAI: the wire of the vendor `openai` at a resource's address, where a deployment's name is the model's.

Facts: the client `AzureOpenAI` of openai 3.57 as of 2026-11. Without `api_version` the v1 path is used; with one, the
URL of the deployment. Doubtful: which versions serve the 2.5 models (v1 is the safe choice), and the words of refusals.
Images come back as base64. MAI-Image and FLUX have other paths at Azure; they are not served.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from urllib.parse import quote

from atelier.providers.core.types import Operation
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.contract import Job, Provider
from atelier.providers.vendors.hosts import openai
from atelier.providers.vendors.hosts.settings import AZURE_IDENTITY, Host
from atelier.providers.vendors.openai.adapter import prepare as prepare_for_openai

UNLISTED = replace(
    openai.UNLISTED, operations=openai.UNLISTED.operations - {Operation.VARIATION}, styles=(), links=False
)
"""A deployment of which only the name is known."""


def provider_of(host: Host) -> Provider:
    """Return the vendor of an Azure resource. It lists the deployments that its entry names."""
    provider = openai.provider_of(host, UNLISTED)
    if host.token == AZURE_IDENTITY:
        from atelier.providers.vendors.hosts.azure_identity import find_credentials

        provider = replace(provider, credentials=find_credentials)
    return replace(provider, prepare=partial(prepare, api_version=host.api_version), lifecycles=None)


def prepare(job: Job, api_version: str) -> httpx.Request:
    """Build the request for the v1 path, or with an `api_version` for the URL of the deployment."""
    root = job.endpoint.base_url.removesuffix("/v1").removesuffix("/openai")
    path = f"/openai/deployments/{quote(job.model.id, safe='')}" if api_version else "/openai/v1"
    request = prepare_for_openai(replace(job, endpoint=replace(job.endpoint, base_url=root + path)))
    if api_version:
        request.url = request.url.copy_merge_params({"api-version": api_version})
    return request
