"""A real S3-compatible server that verifies signatures (ministack), and a front before it that breaks on demand.

It runs as a tool of its own, since it pins an older botocore than the product uses. The keys handed out are those of
IAM users: it does not verify the signatures of its root.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3  # pyright: ignore[reportMissingTypeStubs]
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from atelier.providers.testing.server import Answer, Emulator
from atelier.providers.transport.network.http_client import httpx

MINISTACK = "ministack==1.5.33"
ROOT = ("AKIAROOTROOTROOTROOT", "root-secret")
READY = 60  # seconds; the first start downloads it
WATCH = """\
import os, signal, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
sys.stdin.read()
os.killpg(0, signal.SIGKILL) if hasattr(os, "killpg") else child.kill()
"""
"""Runs a command for as long as whoever started this lives: its end closes the pipe, even when it was killed."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The credentials of a user."""

    id: str
    secret: str

    @property
    def environ(self) -> dict[str, str]:
        """As the AWS variables."""
        return {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}


@cache
def session_of(id: str, secret: str) -> Any:
    """Return boto3's session of a user; a new one would read the descriptions of its services again."""
    return boto3.Session(id, secret, region_name="us-east-1")


class Ministack:
    """The server process. It can be stopped and started again on its port, and has then forgotten everything."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._users = 0

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "SERVICES": "s3,iam,sts",
            "AWS_ACCESS_KEY_ID": ROOT[0],
            "AWS_SECRET_ACCESS_KEY": ROOT[1],
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", WATCH, "uv", "tool", "run", "--quiet", "--from", MINISTACK, "ministack"],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that the tool and what it runs can be ended together
        )
        until = time.monotonic() + READY
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/_ministack/health").is_success:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"{MINISTACK} does not start; try: uv tool run --from {MINISTACK} ministack")

    def stop(self) -> None:
        """End it at once, with all that it holds."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.wait(10)
        self._process = None

    def client(self, service: str, keys: Keys | None = None) -> Any:
        """boto3's own client, as root unless told otherwise; for arranging and looking, never for the product."""
        id, secret = (keys.id, keys.secret) if keys else ROOT
        return session_of(id, secret).client(service, endpoint_url=self.url)

    def user(self, *actions: str) -> Keys:
        """The keys of a new user who may do these things, everything in S3 unless told otherwise."""
        self._users += 1
        name, iam = f"user-{self._users}", self.client("iam")
        iam.create_user(UserName=name)
        policy = policy_of(*(actions or ("s3:*",)))
        iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(key["AccessKeyId"], key["SecretAccessKey"])

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        self.client("s3").create_bucket(Bucket=name)

    def publish(self, name: str) -> None:
        """Let everyone read a bucket."""
        s3 = self.client("s3")
        s3.delete_public_access_block(Bucket=name)
        policy = policy_of("s3:GetObject", resource=f"arn:aws:s3:::{name}/*", Principal="*")
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))

    def keys(self, name: str) -> list[str]:
        """The keys of every object of a bucket."""
        return [item["Key"] for item in self.client("s3").list_objects_v2(Bucket=name).get("Contents", [])]


def policy_of(*actions: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    """A policy that allows these actions."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def refusal(status: int, code: str) -> Answer:
    """The store's error body; without a code there is none."""
    body = f"<Error><Code>{code}</Code><Message>It says so.</Message></Error>" if code else ""
    return Answer(status, body.encode(), {"content-type": "application/xml"})


class Front(Emulator):
    """A reverse proxy before the store. It passes on signatures as they are, so the store still verifies them.

    `unconditional` is its answer to a put with If-None-Match, where it does not know that header, and `virtual_only`
    says that it takes the bucket's name before its host only.
    """

    unconditional: Answer | None = None
    virtual_only = False

    def __init__(self, store: Ministack) -> None:
        self.store = store
        super().__init__(self._pass_on)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if self.virtual_only and request.url.hostname in ("127.0.0.1", "localhost"):
            await refusal(403, "SecondLevelDomainForbidden").response()(scope, receive, send)
            return
        if self.unconditional and "if-none-match" in request.headers:
            await self.unconditional.response()(scope, receive, send)
            return
        url = f"{self.store.url}{scope['raw_path'].decode()}?{scope['query_string'].decode()}"
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            answer = await client.request(
                request.method, url.rstrip("?"), headers=request.headers.raw, content=await request.body()
            )
        headers = {name: value for name, value in answer.headers.items() if name not in ("transfer-encoding", "date")}
        await Response(answer.content, answer.status_code, headers)(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Lost:
    """The store does what it was asked; its answer never arrives."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        async def nowhere(message: Any) -> None:
            """Nobody hears it."""

        await app(scope, receive, nowhere)
        while (await receive())["type"] != "http.disconnect":
            pass


@contextlib.contextmanager
def ministack() -> Generator[Ministack]:
    """A server of one's own until the block ends."""
    server = Ministack()
    try:
        server.start()
        yield server
    finally:
        server.stop()
