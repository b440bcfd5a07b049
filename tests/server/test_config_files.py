"""Settings from `.env` and from the configuration file, beside the environment."""

from __future__ import annotations

import codecs
import os
import re
import sys
from pathlib import Path

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.registry import all_providers
from atelier.server.settings import Settings
from atelier.server.settings.config_files import ALL_SETTINGS, UNTRUSTED, Source
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.cli.in_process import atelier

Environment = dict[str, str]

KEYED = [provider for provider in all_providers() if provider.endpoint.key_variables]
AMBIENT = [provider for provider in KEYED if provider.endpoint.ambient]
OWN_KEY = [provider for provider in KEYED if not provider.endpoint.ambient]


class Place:
    """A working directory with `.env`, and a configuration file; what is loaded from them, and what is said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "config.toml"
        self.notices = list[str]()

    def load(self, dotenv: str = "", toml: str = "", **environ: str) -> Settings:
        (self.folder / ".env").write_text(dotenv, encoding="utf-8")
        self.file.write_text(toml, encoding="utf-8")
        self.notices.clear()
        return Settings.load(self.notices.append, {"ATELIER_CONFIG": str(self.file), **environ})

    def refusal(self, dotenv: str = "", toml: str = "", **environ: str) -> ImageError:
        with pytest.raises(ImageError) as caught:
            self.load(dotenv, toml, **environ)
        assert caught.value.reason is Reason.INVALID_REQUEST
        assert caught.value.__cause__ is None
        return caught.value


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def test_the_environment_comes_before_dotenv_and_dotenv_before_the_configuration_file(place: Place) -> None:
    dotenv, toml = "ATELIER_WAIT_SECONDS=2\nOPENAI_API_KEY=sk-two", 'wait_seconds = 3\nOPENAI_API_KEY = "sk-three"'
    both = place.load(dotenv, toml, ATELIER_WAIT_SECONDS="1", OPENAI_API_KEY="sk-one")
    assert (both.wait_seconds, both.lookup("OPENAI_API_KEY")) == (1, "sk-one")
    files = place.load(dotenv, toml)
    assert (files.wait_seconds, files.lookup("OPENAI_API_KEY")) == (2, "sk-two")
    file = place.load("", toml)
    assert (file.wait_seconds, file.lookup("OPENAI_API_KEY")) == (3, "sk-three")
    assert place.notices == []


@pytest.mark.parametrize("unset", ["", " ", "${user_config.wait}"])
def test_an_unset_variable_leaves_the_setting_to_the_next_source(place: Place, unset: str) -> None:
    assert place.load("ATELIER_WAIT_SECONDS=2", "wait_seconds = 3", ATELIER_WAIT_SECONDS=unset).wait_seconds == 2
    assert place.load(f"ATELIER_WAIT_SECONDS={unset}", "wait_seconds = 3").wait_seconds == 3
    assert place.load("", f'default_model = "{unset}"').default_model is None


def test_a_file_named_by_the_environment_comes_before_the_other_sources(place: Place) -> None:
    (place.folder / "key").write_text("sk-file\n", encoding="utf-16")
    settings = place.load("OPENAI_API_KEY=sk-dotenv", "", OPENAI_API_KEY_FILE=str(place.folder / "key"))
    assert settings.lookup("OPENAI_API_KEY") == "sk-file"


def test_every_kind_of_value_of_the_configuration_file(place: Place) -> None:
    toml = """
        output_dir = "~/drawings"
        input_dirs = ["/a", "/b c"]
        fallback = ["flux", "stability"]
        budget_per_day = 2.50
        confirm_above = 1
        resource_links = true
        structured_content = false
        ATELIER_CUSTOMER_ID = "alice"
        atelier_openai_api_key = "sk-own"
        jwt_secret = "a secret that is long enough for HS256"
    """
    settings = place.load("", toml)
    assert settings.pictures == Path.home() / "drawings"
    assert settings.input_dirs == (Path("/a"), Path("/b c"))
    assert settings.fallback == ("flux", "stability")
    assert (str(settings.budget_per_day), settings.confirm_above) == ("2.5", 1)
    assert (settings.resource_links, settings.structured_content) == (True, False)
    assert settings.customer_id == "alice"
    assert settings.lookup("ATELIER_OPENAI_API_KEY") == "sk-own"
    assert settings.lookup("ATELIER_JWT_SECRET") == "a secret that is long enough for HS256"


def test_a_value_of_the_configuration_file_may_be_in_a_file(place: Place) -> None:
    (place.folder / "key").write_text("sk-file", encoding="utf-8")
    settings = place.load("", f"openai_api_key_file = '{place.folder / 'key'}'")
    assert settings.lookup("OPENAI_API_KEY") == "sk-file"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_are_read_in_the_encodings_of_powershell(place: Place, encoding: str) -> None:
    place.file.write_text('default_model = "flux"\n', encoding=encoding)
    (place.folder / ".env").write_text("OPENAI_API_KEY=sk-1\n", encoding=encoding)
    settings = Settings.load(place.notices.append, {"ATELIER_CONFIG": str(place.file)})
    assert (settings.default_model, settings.lookup("OPENAI_API_KEY"), place.notices) == ("flux", "sk-1", [])


def test_the_configuration_file_is_sought_in_the_platforms_folder(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.folder / "conf"))
    (place.folder / "conf" / "atelier").mkdir(parents=True)
    assert Settings.load(environ={}).wait_seconds == 50
    (place.folder / "conf" / "atelier" / "config.toml").write_text("wait_seconds = 7")
    assert Settings.load(environ={}).wait_seconds == 7
    assert Settings.load(environ={"ATELIER_CONFIG": "${user_config.config}"}).wait_seconds == 7
    assert Settings.load(environ={"ATELIER_CONFIG": os.devnull}).wait_seconds == 50


def test_a_configuration_file_that_is_named_and_not_there_is_refused(place: Place) -> None:
    with pytest.raises(ImageError, match=r"^The file that ATELIER_CONFIG names cannot be read\.$"):
        Settings.load(environ={"ATELIER_CONFIG": str(place.folder / "none.toml")})


@pytest.mark.parametrize(
    ("toml", "message", "hint"),
    [
        ("outptu_dir = 'x'", "outptu_dir in {} is not a setting of this version.", "Did you mean output_dir"),
        ("OPENAI_API_KEYS = 'x'", "OPENAI_API_KEYS in {} is not a setting of this version.", "openai_api_key"),
        ("frobnicate = 1", "frobnicate in {} is not a setting of this version.", "Correct it or leave it out."),
        ("dotenv = false", "dotenv in {} is not a setting of this version.", ""),
        ("config = 'x'", "config in {} is not a setting of this version.", ""),
        ("[keys]\nopenai = 'sk'", "keys in {} is not a setting of this version.", ""),
        ("wait_seconds = 'soon'", "wait_seconds in {} is wrong: it should be a number.", ""),
        ("wait_seconds = 4000", "wait_seconds in {} is wrong: it should be less than or equal to 3600.", ""),
        ("output_dir = ['a']", "output_dir in {} is wrong: it should be text, a number, true or false.", ""),
        ("input_dirs = [1]", "input_dirs in {} is wrong: it should be a list of texts.", ""),
        ("fallback = 2026-01-01", "fallback in {} is wrong: it should be a list of texts.", ""),
        ("wait_seconds = 1\nATELIER_WAIT_SECONDS = 2", "wait_seconds in {} is set twice, also as ATELIER_WAIT_SEC", ""),
        ("wait_seconds 3", "The configuration file {} is no TOML: Expected '=' after a key", "Correct the file."),
    ],
)
def test_a_configuration_file_that_is_wrong_is_refused_with_its_name(
    place: Place, toml: str, message: str, hint: str
) -> None:
    refused = place.refusal("", toml)
    assert refused.message.startswith(message.format(place.file))
    assert hint in refused.hint


def test_a_wrong_value_in_dotenv_is_refused_with_its_place(place: Place) -> None:
    assert place.refusal("ATELIER_CONCURRENCY=many").message == (
        "ATELIER_CONCURRENCY in .env is wrong: it should be a whole number."
    )


def test_unknown_variables_of_ours_are_pointed_out_and_those_of_other_programs_are_not_read(place: Place) -> None:
    settings = place.load("ATELIER_OUTPUT=x\nDATABASE_URL=y\nAWS_ACCESS_KEY_ID=z\nHTTPS_PROXY=p", ATELIER_WAIT="1")
    assert place.notices == [
        f"ATELIER_WAIT is not a setting of this version. {ALL_SETTINGS}",
        "ATELIER_OUTPUT in .env is not a setting of this version; perhaps ATELIER_OUTPUT_DIR.",
    ]
    assert [settings.lookup(name) for name in ("DATABASE_URL", "AWS_ACCESS_KEY_ID", "HTTPS_PROXY")] == [None] * 3


@pytest.mark.parametrize("name", [*sorted(UNTRUSTED), "OPENAI_API_KEY_FILE", "ATELIER_WAIT_SECONDS_FILE"])
def test_dotenv_cannot_widen_what_is_read_sent_or_spent(place: Place, name: str) -> None:
    (place.folder / "value").write_text("1")
    defaults, settings = place.load(), place.load(f"{name}={place.folder / 'value'}")
    assert settings.model_dump() == defaults.model_dump()
    assert settings.lookup(name) == defaults.lookup(name)
    assert place.notices == [f"{name} in .env is not used; set it in the environment or in the configuration file."]


def test_dotenv_can_be_switched_off(place: Place) -> None:
    assert place.load("ATELIER_WAIT_SECONDS=2", ATELIER_DOTENV="off").wait_seconds == 50
    assert place.refusal(ATELIER_DOTENV="perhaps").message == "ATELIER_DOTENV is wrong: it should be on or off."


@pytest.mark.parametrize("provider", OWN_KEY, ids=[provider.name for provider in OWN_KEY])
@pytest.mark.parametrize("own", ["", "ATELIER_"])
def test_an_address_of_dotenv_gets_no_key_from_elsewhere(place: Place, provider: Provider, own: str) -> None:
    """The `.env` of a folder that is only looked at may be anyone's."""
    endpoint = provider.endpoint
    key, address = endpoint.key_variables[0], endpoint.base_url_variable
    url = f"https://elsewhere.example{endpoint.base_path}"
    dotenv = f"{own}{address}={url}"

    def used(settings: Settings) -> tuple[str, str | None]:
        located = Catalog(settings.lookup).located(provider)
        return located.base_url, located.key(settings.lookup)

    notice = f"{own}{address} in .env is not used, because the vendor's key is not from .env."
    for elsewhere in ({key: "mine"}, {f"ATELIER_{key}": "mine"}):
        assert used(place.load(dotenv, **elsewhere)) == (endpoint.base_url, "mine")
        assert place.notices == [notice]
        assert used(place.load(f"{dotenv}\n{own}{key}=theirs", **elsewhere)) == (endpoint.base_url, "mine")
        toml = "".join(f"{name} = '{value}'" for name, value in elsewhere.items())
        assert used(place.load(dotenv, toml)) == (endpoint.base_url, "mine")
        assert used(place.load(f"{dotenv}\n{own}{key}=theirs", toml)) == (url, "theirs")
        assert place.notices == []


@pytest.mark.parametrize("provider", AMBIENT, ids=[provider.name for provider in AMBIENT])
@pytest.mark.parametrize("own", ["", "ATELIER_"])
def test_an_address_of_dotenv_gets_no_credentials_of_this_machine(place: Place, provider: Provider, own: str) -> None:
    """They are the user's whatever else `.env` says of the vendor."""
    key, address = provider.endpoint.key_variables[-1], provider.endpoint.base_url_variable
    settings = place.load(f"{own}{address}=https://elsewhere.example\n{own}{key}=theirs")
    located = Catalog(settings.lookup).located(provider)
    assert (located.key(settings.lookup), located.custom) == ("theirs", False)
    told = f"{own}{address} in .env is not used; set it in the environment or in the configuration file."
    assert place.notices == [told]


def test_an_address_of_dotenv_gets_no_login_from_elsewhere(place: Place) -> None:
    dotenv, login = "SD_WEBUI_URL=https://elsewhere.example", "anna:secret"
    provider = next(provider for provider in all_providers() if provider.name == "sd-webui")

    def address(settings: Settings) -> str:
        return Catalog(settings.lookup).located(provider).base_url

    assert address(place.load(dotenv)) == "https://elsewhere.example"
    assert address(place.load(f"{dotenv}\nSD_WEBUI_AUTH={login}")) == "https://elsewhere.example"
    assert place.notices == []
    for settings in (
        place.load(dotenv, SD_WEBUI_AUTH=login),
        place.load(dotenv, ATELIER_SD_WEBUI_AUTH=login),
        place.load(dotenv, f"sd_webui_auth = '{login}'"),
    ):
        assert address(settings) == provider.endpoint.base_url
        assert "SD_WEBUI_URL in .env is not used" in place.notices[0]


def test_a_key_of_dotenv_gets_no_secret_of_another(place: Place) -> None:
    dotenv = "FAL_BASE_URL=https://elsewhere.example\nFAL_KEY_ID=theirs"
    settings = place.load(dotenv, "fal_key_id = 'mine'\nfal_key_secret = 'secret'")
    assert (settings.lookup("FAL_KEY_ID"), settings.lookup("FAL_KEY_SECRET")) == ("theirs", None)


def test_an_output_folder_of_dotenv_is_read_from_only_below_its_own(place: Place) -> None:
    inside = place.load("ATELIER_OUTPUT_DIR=pictures")
    assert (inside.pictures, inside.readable) == (place.folder / "pictures", (place.folder / "pictures",))
    home = place.load("ATELIER_OUTPUT_DIR=~", "input_dirs = ['/a']")
    assert (home.pictures, home.readable) == (Path.home(), (Path("/a"),))
    assert place.load("", ATELIER_OUTPUT_DIR="~").readable == (Path.home(),)


def test_a_dotenv_that_is_no_text_does_not_stop_the_start(place: Place) -> None:
    (place.folder / ".env").write_bytes(codecs.BOM_UTF16_LE + b"x")
    assert Settings.load(place.notices.append, {"ATELIER_CONFIG": os.devnull})
    assert place.notices == ["The file .env in the working directory is not text in UTF-8 or UTF-16. It is not used."]


def test_keys_of_files_are_in_no_repr(place: Place) -> None:
    settings = place.load("OPENAI_API_KEY=sk-one", 'xai_api_key = "sk-two"')
    shown = f"{settings!r} {settings.model_dump()} {Source({'OPENAI_API_KEY': 'sk-three'})!r}"
    assert settings.lookup("OPENAI_API_KEY") == "sk-one"
    assert "sk-" not in shown


def test_the_state_folder_of_earlier_versions_on_macos_stays_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    earlier = tmp_path / "Library" / "Application Support" / "atelier"
    assert Settings.from_environ({}).state == tmp_path / "xdg" / "atelier"
    earlier.mkdir(parents=True)
    assert Settings.from_environ({}).state == tmp_path / "xdg" / "atelier"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert Settings.from_environ({}).state == earlier
    (tmp_path / "xdg" / "atelier").mkdir(parents=True)
    assert Settings.from_environ({}).state == tmp_path / "xdg" / "atelier"


@exhaustive
def test_the_command_reads_both_files(environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"ATELIER_OUTPUT_DIR={tmp_path / 'drawn'}\nATELIER_OUTPUTDIR=x\nSOMETHING else\n")
    (tmp_path / "mine.toml").write_text('default_model = "sketch"\n')
    del environ["ATELIER_OUTPUT_DIR"]
    environ |= {"ATELIER_CONFIG": "mine.toml", "ATELIER_DOTENV": "on", "HOME": str(tmp_path)}
    done = atelier(environ, "generate", "a fox", "--size", "64x64")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "drawn") in done.stdout
    assert "ATELIER_OUTPUTDIR in .env is not a setting of this version; perhaps ATELIER_OUTPUT_DIR." in done.stderr
    assert "dotenv" not in done.stderr


def test_the_configuration_of_the_docs_is_accepted_and_its_list_is_what_dotenv_cannot_set(place: Place) -> None:
    page = (Path(__file__).parents[2] / "docs/settings.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"<!-- config -->\n```toml\n(.*?)```", page, flags=re.DOTALL)
    settings = place.load("", example)
    assert (settings.budget_per_day, settings.lookup("OPENAI_API_KEY")) == (5, "sk-...")
    (listed,) = re.findall(r"- It cannot set (.*?), nor any", page, flags=re.DOTALL)
    assert set(re.findall(r"`(\w+)`", listed)) == UNTRUSTED


HOSTS_IN_TOML = """\
proxy_key = "sk-of-the-file"

[[hosts]]
name = "proxy"
url = "https://proxy.example/v1"
key = "PROXY_KEY"
models = ["draw"]

[[hosts]]
name = "together"
"""


def test_hosts_are_tables_of_the_configuration_file_and_their_keys_are_settings(place: Place) -> None:
    settings = place.load(toml=HOSTS_IN_TOML)
    assert [(host.name, host.key) for host in settings.hosts] == [
        ("proxy", "PROXY_KEY"),
        ("together", "TOGETHER_API_KEY"),
    ]
    assert settings.lookup("PROXY_KEY") == "sk-of-the-file"
    other = place.load(toml=HOSTS_IN_TOML.replace('proxy_key = "sk-of-the-file"', ""), ATELIER_HOSTS='["together"]')
    assert [host.name for host in other.hosts] == ["together"]
    assert "PROXY_KEY" not in place.refusal(toml=HOSTS_IN_TOML.replace("PROXY_KEY", "sk-0123456789")).message


def test_dotenv_can_neither_add_a_host_nor_send_a_key_of_the_users_to_its_own_address(place: Place) -> None:
    hosts = '[{"name": "evil", "url": "https://evil.example/v1", "key": "TOGETHER_API_KEY"}]'
    dotenv = f"ATELIER_HOSTS={hosts}\nATELIER_TOGETHER_BASE_URL=https://evil.example/v1"
    settings = place.load(dotenv, ATELIER_HOSTS='["together"]', TOGETHER_API_KEY="sk-of-the-user")
    assert [host.name for host in settings.hosts] == ["together"]
    assert settings.lookup("ATELIER_TOGETHER_BASE_URL") is None
    assert len(place.notices) == 2
    assert place.load("TOGETHER_API_KEY=sk-two", ATELIER_HOSTS='["together"]').lookup("TOGETHER_API_KEY") == "sk-two"
