"""Vertex AI: POST /v1beta1/projects/{project}/locations/{location}/publishers/google/models/{id}:generateContent.

Facts: the vendor's SDK, google-genai 3.6, as of 2026-11-29. Bodies and answers are the Gemini API's; imageConfig has
more fields.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.contract import Job
from atelier.providers.vendors.gemini import adapter as gemini
from atelier.providers.vendors.gemini.imagen import present

PROJECT, LOCATION, CREDENTIALS = "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GOOGLE_APPLICATION_CREDENTIALS"

ENDPOINT = Endpoint(
    base_url="https://aiplatform.googleapis.com",
    base_url_variable="GOOGLE_VERTEX_BASE_URL",
    key_variables=(PROJECT,),
    key_page="https://console.cloud.google.com/vertex-ai",
    variables=(LOCATION, CREDENTIALS),
    trusted_hosts=("aiplatform.googleapis.com",),
    timeout=180.0,
    ambient=True,
)

GLOBAL = "global"  # the default of the vendor's SDK
MULTI_REGIONS = ("us", "eu")


def locate(endpoint: Endpoint) -> str:
    """Return the base URL of the location in the settings. Raises invalid_request for one that is no location."""
    location = _location(endpoint)
    if not re.fullmatch(r"[a-z0-9-]{2,40}", location):
        message = f"{LOCATION} is not a location of Google Cloud."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Use global, or a region such as us-central1.")
    if location == GLOBAL:
        return endpoint.base_url
    if location in MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def _location(endpoint: Endpoint) -> str:
    return endpoint.setting(LOCATION) or GLOBAL


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent."""
    request, endpoint = job.request, job.endpoint
    options = dict(request.options)
    people = None if job.model.any_value else options.pop("person_generation", None)
    fields = present(
        personGeneration=people and str(people).upper(),
        imageOutputOptions=present(
            mimeType=request.output_format and f"image/{request.output_format}", compressionQuality=request.compression
        ),
    )
    project = quote(endpoint.key(endpoint.setting) or "-", safe="")
    parent = f"{endpoint.base_url}/v1beta1/projects/{project}/locations/{_location(endpoint)}/publishers/google"
    return gemini.request_to(parent, replace(job, request=replace(request, options=options)), fields)


HINTS: dict[Reason, str] = {
    Reason.AUTHENTICATION: f"Check {PROJECT}, whether the Vertex AI API is enabled in it, and the credentials.",
    Reason.QUOTA_EXCEEDED: f"Check the billing and the quota of {PROJECT}, or use another vendor.",
    Reason.UNKNOWN_MODEL: f"{LOCATION} may not serve this model; global serves the most.",
}


def explain(response: httpx.Response) -> ImageError:
    """Explain an error of Google, with what to do in Google Cloud."""
    error = gemini.explain(response)
    error.hint = HINTS.get(error.reason, error.hint)
    return error
