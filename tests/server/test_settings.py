"""The environment as a shell, a host and a bundle write it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from tests.conftest import NO_FILES


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environ({})
    assert settings.pictures == Path.home() / "Pictures" / "atelier"
    assert (settings.timeout_seconds, settings.concurrency) == (300, None)
    assert settings.structured_content
    assert not settings.resource_links
    assert settings.state.is_absolute()


@pytest.mark.parametrize("value", ["", "  ", "${user_config.openai_api_key}", "${user_config.folder}/pictures"])
def test_empty_values_and_placeholders_count_as_unset(value: str) -> None:
    settings = Settings.from_environ({"OPENAI_API_KEY": value, "ATELIER_OUTPUT_DIR": value})
    assert settings.lookup("OPENAI_API_KEY") is None
    assert settings.output_dir == Settings().output_dir


@pytest.mark.parametrize("value", ["${HOME}/Pictures/me", "$HOME/Pictures/me", "~/Pictures/me"])
def test_the_home_folder_is_expanded(value: str) -> None:
    assert Settings.from_environ({"ATELIER_OUTPUT_DIR": value}).pictures == Path.home() / "Pictures" / "me"


@pytest.mark.parametrize(
    ("word", "means"), [("off", False), ("false", False), ("0", False), ("true", True), ("ON", True)]
)
def test_switches_take_the_usual_words(word: str, means: bool) -> None:
    assert Settings.from_environ({"ATELIER_STRUCTURED_CONTENT": word}).structured_content is means


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "ATELIER_JWT_SECRET"])
def test_a_secret_may_live_in_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "key").write_text("sk-from-a-file\n")
    settings = Settings.from_environ({f"{name}_FILE": str(tmp_path / "key")})
    assert settings.lookup(name) == "sk-from-a-file"


def test_a_secret_file_that_is_missing_is_named_by_its_variable() -> None:
    settings = Settings.from_environ({"OPENAI_API_KEY_FILE": "/nowhere/key"})
    with pytest.raises(ImageError) as caught:
        settings.lookup("OPENAI_API_KEY")
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert "OPENAI_API_KEY_FILE" in caught.value.message


def test_keys_are_in_no_repr() -> None:
    keys = {"OPENAI_API_KEY": "sk-secret", "STABILITY_API_KEY": "sk-other", "ATELIER_JWT_SECRET": "sk-ours"}
    settings = Settings.from_environ(keys)
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.lookup!r}"
    for name, key in keys.items():
        assert settings.lookup(name) == key
        assert key not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ATELIER_TIMEOUT_SECONDS", "soon"),
        ("ATELIER_TIMEOUT_SECONDS", "-1"),
        ("ATELIER_CONCURRENCY", "0"),
        ("ATELIER_RESOURCE_LINKS", "perhaps"),
        ("ATELIER_STORAGE", "ftp"),
        ("ATELIER_S3_URL_TTL", "604801"),
        ("ATELIER_S3_ENDPOINT_URL", "localhost:9000"),
        ("ATELIER_S3_PUBLIC_BASE_URL", "https://a b"),
        ("ATELIER_CUSTOMER_ID", "../2"),
        ("ATELIER_CUSTOMER_ID", "0"),
        ("ATELIER_CUSTOMER_ID", "-5"),
        ("ATELIER_CUSTOMER_ID", "0.0"),
        ("ATELIER_S3_ADDRESSING", "host"),
        ("ATELIER_JWKS_URL", "id.example.com/keys"),
        ("ATELIER_LOG_LEVEL", "loud"),
        ("ATELIER_DOTENV", "perhaps"),
    ],
)
def test_a_wrong_value_is_refused_by_its_variables_name(name: str, value: str) -> None:
    with pytest.raises(ImageError) as caught:
        Settings.from_environ({name: value})
    assert caught.value.message.startswith(f"{name} is wrong")


@pytest.mark.parametrize("id", ["1", "42", "007", "0x0", "alice", "a-5", "user@example.com"])
def test_a_customer_is_a_number_above_zero_or_a_name(id: str) -> None:
    assert Settings.from_environ({"ATELIER_CUSTOMER_ID": id}).customer_id == id


def test_a_customer_that_is_no_number_above_zero_is_told_what_one_may_be() -> None:
    with pytest.raises(ImageError) as caught:
        Settings.from_environ({"ATELIER_CUSTOMER_ID": "0"})
    assert caught.value.message == (
        "ATELIER_CUSTOMER_ID is wrong: it should be letters, digits and . _ @ - only, and a number be above 0."
    )


def test_a_level_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(ImageError) as caught:
        Settings.from_environ({"ATELIER_LOG_LEVEL": "loud"})
    assert caught.value.message == "ATELIER_LOG_LEVEL is wrong: it should be debug, info, warning or error."


def test_a_fallback_that_is_no_model_stops_the_start_with_both_names_and_the_near_ones() -> None:
    with pytest.raises(ImageError) as caught:
        Settings.from_environ({"ATELIER_FALLBACK": "flux, gpt-imge-2"})
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert caught.value.message == "ATELIER_FALLBACK is wrong: no model is called “gpt-imge-2”."
    assert "gpt-image-2" in caught.value.hint


def test_a_fallback_may_be_a_vendor_a_model_that_can_do_little_and_one_of_the_users_own(tmp_path: Path) -> None:
    row = {"provider": "sketch", "id": "doodle", "like": "sketch"}
    (tmp_path / "models.json").write_text(json.dumps({"models": [row]}))
    names = "stability,stable-image-erase,openai/gpt-image-2,doodle"
    settings = Settings.from_environ({"ATELIER_FALLBACK": names, "ATELIER_CATALOG": str(tmp_path / "models.json")})
    assert settings.fallback == tuple(names.split(","))
    with pytest.raises(ImageError, match="doodle"):
        Settings.from_environ({"ATELIER_FALLBACK": names})


def test_a_setting_that_means_nothing_is_pointed_out_with_the_near_one() -> None:
    notice = notices({"ATELIER_OUTPUT_DIRS": "x", "ATELIER_OUTPUT_DIR_FILE": os.devnull, "HOME": "x"})
    assert notice == ["ATELIER_OUTPUT_DIRS is not a setting of this version; perhaps ATELIER_OUTPUT_DIR."]
    notice = notices({"ATELIER_OPENAI_API_KEYS": "x", "ATELIER_OPENAI_API_KEY": "x"})
    assert notice == ["ATELIER_OPENAI_API_KEYS is not a setting of this version; perhaps ATELIER_OPENAI_API_KEY."]
    for far in ("FOO", "LOG", "MODEL"):  # near only by the prefix, which all names share
        (notice,) = notices({f"ATELIER_{far}": "x"})
        assert notice.startswith(f"ATELIER_{far} is not a setting of this version. docs/settings.md lists them")
    tokens = ("JWT_SECRET", "JWT_SECRET_FILE", "JWKS_URL_FILE", "JWT_ISSUER", "JWT_AUDIENCE")
    assert notices({f"ATELIER_{name}": os.devnull for name in tokens}) == []


def notices(environ: dict[str, str]) -> list[str]:
    sentences = list[str]()
    Settings.load(sentences.append, NO_FILES | environ)
    return sentences


def test_a_bucket_is_described_by_its_variables_and_the_empty_ones_are_unset() -> None:
    environ = {
        "ATELIER_STORAGE": "s3",
        "ATELIER_S3_BUCKET": "pictures",
        "ATELIER_S3_ENDPOINT_URL": "${user_config.s3_endpoint_url}",
        "ATELIER_S3_REGION": "",
        "ATELIER_S3_PREFIX": "/studio",
    }
    bucket = Settings.from_environ(environ).bucket
    assert (bucket.name, bucket.endpoint_url, bucket.region, bucket.prefix) == ("pictures", None, None, "studio/")
    assert bucket.url_ttl == 86_400
    elsewhere = Settings.from_environ(environ | {"AWS_ENDPOINT_URL_S3": "https://s3.example"}).bucket
    assert elsewhere.endpoint_url == "https://s3.example"


def test_s3_without_a_bucket_stops_the_start_with_its_name() -> None:
    with pytest.raises(ImageError) as caught:
        build_server(Settings.from_environ({"ATELIER_STORAGE": "s3", "ATELIER_S3_BUCKET": ""}))
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert "ATELIER_S3_BUCKET" in caught.value.message
