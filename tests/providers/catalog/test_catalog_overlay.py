"""The user's own catalogue file: what it adds and changes, and that nothing in it is passed over."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.catalog.catalog_overlay import Overlay, Row, overlaid, parse_answer, with_file
from atelier.providers.catalog.overlay_fields import Bound, Life, Rule
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.gates.option_limits import Limit, whole
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import CURRENT, Feature, Lifecycle, Model, Operation
from atelier.providers.pricing.price_table import table
from atelier.providers.vendors import openai, sketch, stability
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.registry import all_providers
from tests.conftest import TODAY
from tests.vendors import only

NEW = {"provider": "openai", "id": "gpt-image-3", "like": "gpt-image-1.5"}


def vendors(*models: dict[str, Any], **defaults: str) -> tuple[Provider, ...]:
    """Every vendor as a file with these rows and defaults makes them."""
    text = json.dumps({"models": models, "defaults": defaults}).encode()
    return overlaid(all_providers(), parse_answer(text), lambda: TODAY)


def row(providers: tuple[Provider, ...], id: str) -> Model:
    (found,) = [model for provider in providers for model in provider.models if model.id == id]
    return found


def refusal(*models: Any, **more: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        overlaid(all_providers(), parse_answer(json.dumps({"models": models, **more}).encode()), lambda: TODAY)
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def test_the_columns_are_those_of_the_rows() -> None:
    assert set(Row.model_fields) - {"provider", "like"} == {f.name for f in fields(Model) if f.init} - {"any_value"}
    assert set(Life.model_fields) == {f.name for f in fields(Lifecycle)}
    assert set(Rule.model_fields) == {f.name for f in fields(SizeRule)}
    assert set(Bound.model_fields) == {f.name for f in fields(Limit)}
    assert set(Overlay.model_fields) == {"models", "defaults", "prices"}


def test_without_a_file_nothing_changes() -> None:
    assert with_file(all_providers(), None) == (all_providers(), table())
    assert vendors() == all_providers()


def test_a_new_model_starts_from_the_one_that_it_is_like() -> None:
    like, made = row(all_providers(), "gpt-image-1.5"), row(vendors({**NEW, "max_count": 4}), "gpt-image-3")
    assert (made.operations, made.qualities, made.wire) == (like.operations, like.qualities, like.wire)
    assert made.max_count == 4
    assert like.snapshots
    assert like.lifecycle.stage == "deprecated"
    assert (made.aliases, made.snapshots, made.lifecycle) == ((), (), CURRENT)


def test_a_new_model_may_be_told_in_full() -> None:
    told = {
        "provider": "openai",
        "id": "gpt-image-3",
        "aliases": ["gi3"],
        "operations": ["generate", "upscale"],
        "size_rule": {"step": 8, "max_edge": 512, "max_pixels": 262144, "max_ratio": 2},
        "features": ["seed"],
        "options": ["steps"],
        "limits": [{"option": "steps", "kind": "whole", "least": 1, "most": 50}],
        "source_formats": ["png", "gif"],
        "source_rule": {"min_edge": 64, "max_edge": 4096, "max_pixels": 9437184, "max_ratio": 2.5},
        "max_source_bytes": 1000,
        "max_upload_bytes": 2000,
        "max_seed": 2147483647,
        "lifecycle": {"stage": "deprecated", "on": "2027-03-01", "successor": "gpt-image-2"},
    }
    assert row(vendors(told), "gpt-image-3") == Model(
        id="gpt-image-3",
        aliases=("gi3",),
        operations=frozenset({Operation.GENERATE, Operation.UPSCALE}),
        size_rule=SizeRule(step=8, max_edge=512, max_pixels=262144, max_ratio=2),
        features=frozenset({Feature.SEED}),
        options=frozenset({"steps"}),
        limits=(whole("steps", 1, 50),),
        source_formats=("png", "gif"),
        source_rule=SizeRule(min_edge=64, max_edge=4096, max_pixels=9437184, max_ratio=2.5),
        max_source_bytes=1000,
        max_upload_bytes=2000,
        max_seed=2147483647,
        lifecycle=Lifecycle("deprecated", date(2027, 3, 1), "gpt-image-2"),
    )


def test_a_listed_model_changes_only_in_what_is_named_and_stays_where_it_is() -> None:
    changed = vendors({"provider": "openai", "id": "gpt-image-2", "size_rule": None, "qualities": ["high"]})
    before, after = row(all_providers(), "gpt-image-2"), row(changed, "gpt-image-2")
    assert before.size_rule is not None
    assert (after.size_rule, after.qualities) == (None, ("high",))
    assert (after.sizes, after.snapshots, after.max_prompt) == (before.sizes, before.snapshots, before.max_prompt)
    assert [m.id for m in changed[0].models] == [m.id for m in openai.PROVIDER.models]
    assert changed[1:] == all_providers()[1:]


def test_a_later_row_may_be_like_a_new_one_and_a_name_may_move() -> None:
    made = vendors(NEW, {"provider": "openai", "id": "gpt-image-3-mini", "like": "gpt-image-3", "max_sources": 1})
    assert row(made, "gpt-image-3-mini").max_sources == 1
    moved = vendors(
        {"provider": "stability", "id": "stable-image-core", "aliases": []},
        {"provider": "stability", "id": "stable-image-core-2", "like": "stable-image-core", "aliases": ["core"]},
    )
    assert Catalog(lambda name: None, lambda: TODAY, only(*moved)).resolve("core").model.id == "stable-image-core-2"


def test_a_default_is_resolved_by_the_vendors_name() -> None:
    catalog = Catalog({"OPENAI_API_KEY": "sk-x"}.get, lambda: TODAY, only(*vendors(NEW, openai="gpt-image-3")))
    assert catalog.resolve("openai").model.id == "gpt-image-3"
    assert catalog.resolve(None).model.id == "gpt-image-3"


def test_a_row_that_the_file_ends_dies_on_its_day() -> None:
    ending = {"stage": "deprecated", "on": TODAY.isoformat(), "successor": "gpt-image-2.5-flare"}
    made = vendors({"provider": "openai", "id": "gpt-image-2", "lifecycle": ending})
    assert row(made, "gpt-image-2").lifecycle.at(TODAY) == "retired"


@pytest.mark.parametrize(
    ("model", "place", "says"),
    [
        ({**NEW, "qualites": ["low"]}, "models[0].qualites", "no such key"),
        ({**NEW, "price": 1}, "models[0].price", "no such key"),
        ({"provider": "openai"}, "models[0].id", "missing"),
        ({"provider": "openia", "id": "gpt-image-3"}, "models[0].provider", "openia"),
        ({**NEW, "like": "gpt-imge-2"}, "models[0].like", "gpt-imge-2"),
        ({**NEW, "like": "sketch"}, "models[0].like", "sketch"),
        ({**NEW, "id": "gpt-image-2"}, "models[0].like", "listed already"),
        ({**NEW, "id": "GPT Image 3"}, "models[0].id", "lower case"),
        ({"provider": "openai", "id": "gpt-image-3"}, "models[0]", "like"),
        ({**NEW, "operations": []}, "models[0].operations", "at least 1"),
        ({**NEW, "operations": ["paint"]}, "models[0].operations", "generate"),
        ({**NEW, "max_count": 0}, "models[0].max_count", "greater than or equal to 1"),
        ({**NEW, "max_count": "4"}, "models[0].max_count", "integer"),
        ({**NEW, "max_count": True}, "models[0].max_count", "integer"),
        ({**NEW, "sizes": "auto"}, "models[0].sizes", "array"),
        ({**NEW, "sizes": None}, "models[0].sizes", "array"),
        ({**NEW, "features": ["sed"]}, "models[0].features", "seed"),
        ({**NEW, "wire": "grpc"}, "models[0].wire", "grpc"),
        ({**NEW, "lifecycle": "retired"}, "models[0].lifecycle", "object"),
        ({**NEW, "lifecycle": {"stage": "gone"}}, "models[0].lifecycle.stage", "retired"),
        ({**NEW, "lifecycle": {"stage": "retired", "on": "2027-02-30"}}, "models[0].lifecycle.on", "date"),
        ({**NEW, "lifecycle": {"stage": "current", "on": "2027-02-03"}}, "models[0].lifecycle", "current"),
        ({**NEW, "size_rule": {"max_edge": 9}}, "models[0].size_rule.max_pixels", "missing"),
        ({**NEW, "aliases": ["gpt-image-2"]}, "models", "gpt-image-2"),
        ({**NEW, "aliases": ["grok"]}, "models", "stands for the default of xAI"),
        ({**NEW, "snapshots": ["openai"]}, "models", "stands for the default of OpenAI"),
        ({**NEW, "id": "dall-e"}, "models", "dall-e"),
        ({**NEW, "source_formats": ["tiff"]}, "models[0].source_formats", "gif"),
        ({**NEW, "source_formats": []}, "models[0].source_formats", "at least 1"),
        ({**NEW, "max_seed": -1}, "models[0].max_seed", "greater than or equal to 0"),
        ({**NEW, "source_rule": {"max_edge": 9}}, "models[0].source_rule.max_pixels", "missing"),
        ({**NEW, "limits": [{"option": "steps"}]}, "models[0].limits[0].kind", "missing"),
        ({**NEW, "limits": [{"option": "steps", "kind": "whole", "least": 9}]}, "models[0].limits[0]", "no value"),
        ({**NEW, "limits": [{"option": "steps", "kind": "words"}]}, "models[0].limits[0]", "no value"),
        (7, "models[0]", "object"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(model: Any, place: str, says: str) -> None:
    error = refusal(model)
    assert error.message.startswith((f"{place}:", f"{place}["))
    assert says in error.message


def test_a_slip_in_a_key_is_answered_with_the_key() -> None:
    assert "qualities" in refusal({**NEW, "qualites": ["low"]}).hint


def test_a_model_is_told_once_and_a_default_must_exist() -> None:
    assert "models[1]" in refusal(NEW, {"provider": "openai", "id": "gpt-image-3", "max_count": 2}).message
    assert "defaults.openai" in refusal(defaults={"openai": "gpt-image-3"}).message
    assert "defaults" in refusal(defaults={"nobody": "gpt-image-3"}).message
    assert "modles" in refusal(modles=[]).message


@pytest.mark.parametrize(
    ("life", "says"),
    [
        ({"stage": "retired", "on": "2026-01-01", "successor": "gpt-image-2"}, "is retired since 2026-01-01"),
        ({"stage": "deprecated", "on": TODAY.isoformat()}, "is retired since"),
    ],
)
def test_a_default_that_is_dead_today_is_refused(life: dict[str, str], says: str) -> None:
    error = refusal({**NEW, "lifecycle": life}, defaults={"openai": "gpt-image-3"})
    assert error.message.startswith("defaults.openai: gpt-image-3 ")
    assert says in error.message
    assert life.get("successor", "another") in error.hint
    assert vendors({**NEW, "lifecycle": life})  # a dead row that nothing stands for does no harm


def test_a_default_that_dies_tomorrow_works_today() -> None:
    life = {"stage": "deprecated", "on": (TODAY + timedelta(days=1)).isoformat()}
    assert vendors({**NEW, "lifecycle": life}, openai="gpt-image-3")[0].default == "gpt-image-3"


def test_every_name_that_a_file_gives_leads_to_its_model() -> None:
    made = vendors({**NEW, "aliases": ["gi3", "house/best"], "snapshots": ["gpt-image-3-2027-01-01"]})
    catalog = Catalog(lambda name: None, lambda: TODAY, only(*made))
    for name, id in (("gi3", "gpt-image-3"), ("house/best", "gpt-image-3"), ("gpt-image-3-2027-01-01",) * 2):
        assert catalog.resolve(name).model.id == id


def test_a_new_row_of_a_vendor_with_several_ways_must_say_its_own() -> None:
    error = refusal({"provider": "stability", "id": "stable-image-next", "operations": ["generate"]})
    assert "wire" in error.message
    assert "generate/core" in error.hint
    made = overlaid((stability.PROVIDER,), parse_answer(json.dumps({"models": [
        {"provider": "stability", "id": "stable-image-next", "operations": ["generate"], "wire": "generate/core"},
    ]}).encode()))  # fmt: skip
    assert made[0].models[-1].wire == "generate/core"


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"models": {}}', '{"a": 1', "\x00", "{'models': []}"])
def test_a_file_that_is_no_such_json_is_one_sentence_with_the_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "models.json"
    file.write_text(text)
    with pytest.raises(ImageError) as caught:
        with_file((sketch.PROVIDER,), file)
    assert caught.value.message.startswith(f"ATELIER_CATALOG is wrong: in {file}, ")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["nowhere.json", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match=r"ATELIER_CATALOG names .* cannot be read"):
        with_file(all_providers(), tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_catalogue_that_powershell_wrote_is_read(tmp_path: Path, encoding: str) -> None:
    row = {"provider": "sketch", "id": "doodle", "like": "sketch"}
    (tmp_path / "models.json").write_bytes(f"{json.dumps({'models': [row]})}\r\n".encode(encoding))
    providers, _ = with_file((sketch.PROVIDER,), tmp_path / "models.json")
    assert providers[0].models[-1].id == "doodle"


def test_a_catalogue_in_another_encoding_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_bytes('{"models": [{"id": "füchsin"}]}'.encode("latin-1"))
    with pytest.raises(ImageError, match=r"ATELIER_CATALOG names .*, which is not text in UTF-8 or UTF-16\.$"):
        with_file(all_providers(), tmp_path / "models.json")
