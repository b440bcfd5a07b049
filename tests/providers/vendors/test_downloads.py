"""Where the links of vendors lead: each of their redirects is judged, as the link itself is."""

from __future__ import annotations

from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.server import Answer
from atelier.providers.vendors import flux as flux_vendor
from atelier.providers.vendors import openai as openai_vendor
from atelier.providers.vendors import xai as xai_vendor
from tests.conftest import Environ
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

METADATA = Answer(302, b"", {"location": "http://169.254.169.254/latest/meta-data"})
"""A redirect to where clouds keep the secrets of a machine, which no gateway has a reason to link to."""


async def assert_redirect_is_refused(vendor: Any, environ: Environ) -> None:
    async with open_pipeline(vendor.PROVIDER, environ) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model=vendor.PROVIDER.name))
    assert caught.value.message == "The vendor sent a link that leads to a link-local address."
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.INVALID_RESPONSE, True)


async def test_a_link_of_xai_that_redirects_to_the_metadata_of_a_cloud_is_not_followed(
    with_xai: Environ, xai: XAI
) -> None:
    xai.always_links = True
    xai.next(None, METADATA, METADATA)  # a link is fetched once more
    await assert_redirect_is_refused(xai_vendor, with_xai)
    assert [request.method for request in xai.requests] == ["POST", "GET", "GET"]


async def test_a_link_of_openai_that_redirects_to_the_metadata_of_a_cloud_is_not_followed(
    with_openai: Environ, openai: OpenAI
) -> None:
    openai.links = True
    openai.next(None, METADATA, METADATA)  # a link is fetched once more
    await assert_redirect_is_refused(openai_vendor, with_openai)
    assert [request.method for request in openai.requests] == ["POST", "GET", "GET"]


async def test_a_link_of_flux_that_redirects_to_the_metadata_of_a_cloud_is_not_followed(
    with_flux: Environ, flux: Flux
) -> None:
    flux.next(None, METADATA, METADATA)  # a link is fetched once more
    await assert_redirect_is_refused(flux_vendor, with_flux)
    assert [request.method for request in flux.requests] == ["POST", "GET", "GET"]
