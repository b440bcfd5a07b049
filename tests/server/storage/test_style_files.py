"""Styles in a bucket: the operator's, a caller's own, and what the store refuses."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import ImageError
from atelier.server.settings import Settings
from atelier.server.storage.caller_storages import CallerStorages
from tests.conftest import Environ
from tests.server.storage.conftest import Place
from tests.server.storage.test_upload_queue import in_the_bucket

pytestmark = pytest.mark.anyio


async def test_styles_are_below_a_prefix_of_the_bucket(place: Place, environ: Environ) -> None:
    settings = Settings.from_environ(environ | in_the_bucket(place, place.server.url) | {"ATELIER_S3_PREFIX": "art"})
    storages = CallerStorages(settings)
    shared, own = storages.styles_of_customer(), storages.styles_of_caller("alice")
    where = await shared.save("noir", "dark", overwrite=False)
    assert await own.save("mine", "light", overwrite=False) == ""
    with pytest.raises(ImageError, match="There is a style “noir”"):
        await own.save("noir", "x", overwrite=False)
    assert place.objects == ["art/customers/alice/styles/mine.md", "art/styles/noir.md"]
    assert where == f"art/styles/noir.md of the bucket {place.name}"
    assert (await shared.names(), await own.names()) == (["noir"], ["mine", "noir"])
    assert await storages.styles_of_caller("bob").names() == ["noir"]
    found = await own.find("NOIR")
    assert found is not None
    assert found.style.words == "dark"
    assert await found.files.read("gone.png", 100) is None
    with pytest.raises(ImageError, match="larger"):
        await found.files.read("noir.md", 2)


async def test_a_folder_that_is_named_comes_before_the_bucket(place: Place, environ: Environ) -> None:
    named = {"ATELIER_STYLES_DIR": environ["ATELIER_STATE_DIR"] + "/looks"}
    library = CallerStorages(Settings.from_environ(environ | in_the_bucket(place, place.server.url) | named))
    await library.styles_of_customer().save("noir", "dark", overwrite=False)
    assert place.objects == []
