"""How a name becomes a model: ids, aliases, vendors, prefixes, defaults, and what is near when it is none of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.gates import preflight
from atelier.providers.core.types import Endpoint, ImageRequest, Lifecycle, Model, Operation
from atelier.providers.pipeline.admit import check_and_price
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.registry import all_providers
from tests.conftest import TODAY
from tests.vendors import only


def catalog(today: date = TODAY, **environ: str) -> Catalog:
    return Catalog(environ.get, lambda: today)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("openai", "gpt-image-2.5-flare"),
        ("OpenAI", "gpt-image-2.5-flare"),
        ("dall-e", "gpt-image-2.5-flare"),
        ("gpt-image", "gpt-image-2.5-flare"),
        ("flux", "flux-2-pro"),
        ("bfl", "flux-2-pro"),
        ("flux-kontext-pro", "flux-kontext-pro"),
        ("flux-9-huge", "flux-9-huge"),
        ("stability", "stable-image-core"),
        ("core", "stable-image-core"),
        ("ultra", "stable-image-ultra"),
        ("sd", "sd3.5-large"),
        ("sd3.5", "sd3.5-large"),
        ("sd3.5-flash", "sd3.5-flash"),
        ("sd4-large", "sd4-large"),
        ("gemini", "gemini-nano-banana-2.1"),
        ("google", "gemini-nano-banana-2.1"),
        ("nano-banana", "gemini-nano-banana-2.1"),
        ("nano-banana-pro", "gemini-3-pro-image"),
        ("imagen", "gemini-nano-banana-2.1"),
        ("grok-2-image", "grok-imagine-image-2.0"),
        ("xai/grok-2-image", "grok-imagine-image-2.0"),
        ("imagen-5", "imagen-5"),
        ("grok", "grok-imagine-image-2.0"),
        ("xai", "grok-imagine-image-2.0"),
        ("grok-imagine-image", "grok-imagine-image"),
        ("stability/core", "stable-image-core"),
        ("xai/grok-imagine-image", "grok-imagine-image"),
        ("sketch", "sketch"),
        ("gpt-image-2", "gpt-image-2"),
        ("gpt-image-2-2026-04-21", "gpt-image-2-2026-04-21"),
        ("openai/gpt-image-2", "gpt-image-2"),
        (" openai/gpt-image-2.6-flare ", "gpt-image-2.6-flare"),
        ("gpt-image-9", "gpt-image-9"),
        ("openai/anything-at-all", "anything-at-all"),
    ],
)
def test_a_name_becomes_a_model(name: str, model: str) -> None:
    assert catalog().resolve(name).model.id == model


@pytest.mark.parametrize("name", ["dalle", "DALL E", "dall-e 3", "DALL·E 3", "dalle2", "gpt-image-1", "GPT Image 1"])
def test_an_ended_model_in_any_spelling_is_refused_with_its_successor(name: str) -> None:
    with pytest.raises(ImageError) as caught:
        check_and_price(catalog(), ImageRequest(prompt="a fox", model=name))
    assert (caught.value.reason, caught.value.facts["successor"]) == ("model_retired", "gpt-image-2.5-flare")
    assert caught.value.hint == "Use gpt-image-2.5-flare instead."


@pytest.mark.parametrize(
    ("family", "successor", "dead"),
    [
        ("dall-e", "gpt-image-2.5-flare", "dall-e-3"),
        ("imagen", "gemini-nano-banana-2.1", "imagen-4.0-generate-001"),
        ("grok-2-image", "grok-imagine-image-2.0", "grok-2-image-1212"),
    ],
)
def test_an_ended_family_means_its_successor_with_a_warning_and_a_dead_id_is_refused(
    family: str, successor: str, dead: str
) -> None:
    admitted = check_and_price(catalog(), ImageRequest(prompt="a fox", model=family))
    assert admitted.job.model.id == successor
    assert any(f"has ended {family}; {successor} is used" in warning for warning in admitted.warnings)
    with pytest.raises(ImageError) as caught:
        check_and_price(catalog(), ImageRequest(prompt="a fox", model=dead))
    assert caught.value.reason is Reason.MODEL_RETIRED
    assert str(caught.value.facts["successor"]) in caught.value.hint


def test_an_ended_family_is_named_at_the_platform_that_had_it_as_well() -> None:
    found = catalog().resolve("vertex/imagen")
    assert (found.provider.name, found.model.id) == ("vertex", "gemini-nano-banana-2.1")
    assert "has ended imagen" in found.warning
    assert catalog().resolve("imagen").provider.name == "gemini"
    with pytest.raises(ImageError) as caught:
        check_and_price(catalog(), ImageRequest(prompt="a fox", model="imagen-3"))
    assert caught.value.reason is Reason.MODEL_RETIRED


def local_server() -> Provider:
    """A vendor without a key at an address of the user's."""
    endpoint = Endpoint(base_url="http://127.0.0.1:7860", base_url_variable="LOCAL_BASE_URL")
    own = {"name": "local", "names": ("local",), "endpoint": endpoint}
    return replace(next(p for p in all_providers() if p.name == "sketch"), **own, models=(LOCAL,), default=LOCAL.id)


LOCAL = Model(id="local-model", operations=frozenset({Operation.GENERATE}))


@pytest.mark.parametrize(
    ("environ", "vendor"),
    [
        ({}, "sketch"),
        ({"LOCAL_BASE_URL": "http://127.0.0.1:7860"}, "local"),
        ({"LOCAL_BASE_URL": "http://127.0.0.1:7860", "STABILITY_API_KEY": "sk-x"}, "stability"),
    ],
)
def test_a_local_server_is_the_default_only_where_it_is_set_up_and_alone(environ: dict[str, str], vendor: str) -> None:
    found = Catalog(environ.get, lambda: TODAY, only(local_server(), *all_providers()))
    assert found.resolve(None).provider.name == vendor
    assert bool(found.resolve(None).notice) == (vendor == "sketch")
    assert found.resolve("local").provider.name == "local"


def test_an_unlisted_model_of_a_known_vendor_passes_with_open_capabilities() -> None:
    choice = catalog().resolve("gpt-image-9")
    assert choice.provider.name == "openai"
    assert choice.model.any_value
    assert not catalog().resolve("gpt-image-2").model.any_value


@pytest.mark.parametrize(
    "name",
    [
        "gpt-imge-2",
        "pixelmill",
        "",
        "x" * 5000,
        "nobody/gpt-image-2",
        "../../etc",
        "a\nb",
        "flux/",
        "openai/gpt//x",
        "sd-",
    ],
)
def test_an_unknown_name_is_refused_with_near_ones(name: str) -> None:
    if not name:
        assert catalog().resolve(name).notice  # nothing asked: the default
        return
    with pytest.raises(ImageError) as caught:
        catalog().resolve(name)
    assert caught.value.reason is Reason.UNKNOWN_MODEL
    near = caught.value.facts["near"]
    assert ("Did you mean" in caught.value.hint) if near else ("list_models" in caught.value.hint)
    assert len(caught.value.message) < 120
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "near"),
    [("nanobanana", "nano-banana"), ("ulta", "ultra"), ("geminy", "gemini"), ("gptimage-2", "gpt-image-2")],
)
def test_near_a_slip_are_models_aliases_and_vendors(name: str, near: str) -> None:
    with pytest.raises(ImageError) as caught:
        catalog().resolve(name)
    assert near in caught.value.facts["near"]
    assert near in caught.value.hint


def test_a_retired_model_is_never_suggested() -> None:
    with pytest.raises(ImageError) as caught:
        catalog().resolve("gpt-imag-1")
    assert "gpt-image-1" not in caught.value.facts["near"]


def test_without_a_key_the_sketch_is_chosen_and_says_so() -> None:
    choice = catalog().resolve(None)
    assert choice.model.id == "sketch"
    assert "No vendor key is set" in choice.notice
    assert choice.notice.endswith(
        "Set OPENAI_API_KEY for a real image, or another vendor's key (list_models names them)."
    )


def test_with_a_key_its_vendor_is_the_default_and_nothing_needs_saying() -> None:
    choice = catalog(OPENAI_API_KEY="sk-x").resolve(None)
    assert (choice.model.id, choice.notice) == ("gpt-image-2.5-flare", "")


def test_the_users_default_comes_first() -> None:
    assert catalog(OPENAI_API_KEY="sk-x", ATELIER_DEFAULT_MODEL="sketch").resolve(None).model.id == "sketch"


KEYS = {"OPENAI_API_KEY": "sk-x", "BFL_API_KEY": "bfl-x", "STABILITY_API_KEY": "sk-y"}


@pytest.mark.parametrize(
    ("operation", "origin", "preset", "model"),
    [
        (Operation.EDIT, "flux", None, "flux-2-pro"),
        (Operation.EDIT, "flux", "openai", "flux-2-pro"),
        (Operation.EDIT, "flux", "flux-2-max", "flux-2-max"),  # of the same vendor the one that the user prefers
        (Operation.OUTPAINT, "flux", "flux-2-max", "flux-pro-1.0-expand"),
        (Operation.EDIT, "flux", "sketch", "flux-2-pro"),
        (Operation.EDIT, None, "flux-2-max", "flux-2-max"),
        (Operation.EDIT, "xai", None, "gpt-image-2.5-flare"),  # no key for it
        (Operation.EDIT, "xai", "flux-2-max", "flux-2-max"),
        (Operation.EDIT, "sketch", None, "gpt-image-2.5-flare"),  # a draft is not made of what can be a picture
        (Operation.EDIT, "nobody", None, "gpt-image-2.5-flare"),
        (Operation.UPSCALE, "openai", None, "stable-image-upscale-fast"),  # it cannot
        (Operation.UPSCALE, "openai", "flux-2-max", "stable-image-upscale-fast"),  # nor can that
        (Operation.GENERATE, "flux", "openai", "gpt-image-2.5-flare"),
        (Operation.GENERATE, "flux", None, "gpt-image-2.5-flare"),
    ],
)
def test_a_pictures_own_vendor_changes_it_then_the_users_default_then_the_first(
    operation: Operation, origin: str | None, preset: str | None, model: str
) -> None:
    environ = {**KEYS, **({"ATELIER_DEFAULT_MODEL": preset} if preset else {})}
    assert catalog(TODAY, **environ).resolve(None, operation, origin).model.id == model


def test_without_any_key_a_sketch_is_edited_by_the_sketch_and_says_so() -> None:
    choice = catalog().resolve(None, Operation.EDIT, "sketch")
    assert choice.model.id == "sketch"
    assert "No vendor key is set" in choice.notice


def test_a_wrong_default_is_blamed_on_its_variable() -> None:
    with pytest.raises(ImageError) as caught:
        catalog(ATELIER_DEFAULT_MODEL="pixelmill").resolve(None)
    assert "ATELIER_DEFAULT_MODEL" in caught.value.message
    with pytest.raises(ImageError) as caught:
        catalog(TODAY, ATELIER_DEFAULT_MODEL="pixelmill", **KEYS).resolve(None, Operation.EDIT, "flux")
    assert "ATELIER_DEFAULT_MODEL" in caught.value.message


def test_a_base_url_is_taken_over_and_a_broken_one_named() -> None:
    endpoint = catalog(OPENAI_BASE_URL="https://gateway.example/v1/").resolve("openai").endpoint
    assert (endpoint.base_url, endpoint.custom) == ("https://gateway.example/v1", True)
    assert not catalog(OPENAI_BASE_URL="https://api.openai.com/v1").resolve("openai").endpoint.custom
    for broken in (
        "gateway.example", "ftp://x/", "https://", "http://[::1", "http://h:abc/v1", "http://h:99999/v1",
        "http://user:pass@h/v1", "https://h/v1?api-version=1", "https://h/v1#x", "https://h\u200b.example/v1",
    ):  # fmt: skip
        with pytest.raises(ImageError, match="OPENAI_BASE_URL"):
            catalog(OPENAI_BASE_URL=broken).resolve("openai")


def test_every_default_is_listed_and_not_retired() -> None:
    for provider in all_providers():
        (row,) = [row for row in provider.models if row.id == provider.default]
        assert row.lifecycle.at(TODAY) == "current"


def test_no_two_rows_answer_to_the_same_name() -> None:
    rows = [(p, row) for p in all_providers() for row in p.models]
    names = [p.model_name(name) for p, row in rows for name in (row.id, *row.aliases, *row.snapshots)]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names), names


def test_a_deprecated_row_works_with_a_warning_until_its_day_and_then_dies_by_itself() -> None:
    row = catalog().resolve("gpt-image-1.5")
    warning = preflight.check_lifecycle(row.model, row.endpoint, date(2026, 11, 30))
    assert warning is not None
    assert "2026-12-01" in warning
    assert "gpt-image-2.6-flare" in warning
    with pytest.raises(ImageError) as caught:
        preflight.check_lifecycle(row.model, row.endpoint, date(2026, 12, 1))
    assert caught.value.reason is Reason.MODEL_RETIRED
    assert "gpt-image-2.6-flare" in caught.value.hint


def test_on_a_custom_host_a_retired_row_works_with_a_warning() -> None:
    row = catalog(OPENAI_BASE_URL="https://gateway.example/v1").resolve("gpt-image-1")
    assert "retired" in (preflight.check_lifecycle(row.model, row.endpoint, TODAY) or "")


@pytest.mark.parametrize(
    ("life", "stage"),
    [
        (Lifecycle(), "current"),
        (Lifecycle("deprecated", None, "x"), "deprecated"),
        (Lifecycle("deprecated", date(2026, 11, 22)), "deprecated"),
        (Lifecycle("deprecated", date(2026, 11, 21)), "retired"),
        (Lifecycle("retired", None), "retired"),
    ],
)
def test_the_stage_follows_the_calendar(life: Lifecycle, stage: str) -> None:
    assert life.at(TODAY) == stage


def test_the_list_begins_with_the_default_and_ends_with_what_works_today() -> None:
    openai = all_providers()[0]
    ids = [row.id for row in catalog().listed(openai)]
    assert ids[0] == openai.default
    assert "gpt-image-1.5" in ids
    assert "dall-e-3" not in ids
    assert "gpt-image-1.5" not in [row.id for row in catalog(date(2026, 12, 1)).listed(openai)]


def test_the_list_for_a_custom_host_has_retired_rows_as_well() -> None:
    openai = all_providers()[0]
    assert "dall-e-3" in [row.id for row in catalog(OPENAI_BASE_URL="https://gateway.example/v1").listed(openai)]
    assert "dall-e-3" not in [row.id for row in catalog(OPENAI_BASE_URL="https://api.openai.com/v1").listed(openai)]
