"""Pictures in a bucket: keys and headers, links, and what a store that refuses, fails or is away is told as."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.tracing import new_id, uuid_of
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.identify import picture
from atelier.providers.testing.server import Answer, Fault, Held, Slow
from atelier.providers.testing.waiting import LONG, leave
from atelier.providers.transport.network.http_client import httpx
from atelier.server.settings import Settings
from atelier.server.storage import s3, s3_client
from atelier.server.storage.remote_storage import without_location
from atelier.server.storage.s3_client import Bucket, Connection, connect
from tests.emulators.s3 import Front, Keys, Lost, Ministack
from tests.emulators.s3 import refusal as refused_by
from tests.exhaustive import exhaustive, sample
from tests.server.storage.conftest import Place
from tests.server.storage.test_storage import FOX, OWL, put

pytestmark = pytest.mark.anyio


async def fetched(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url)


async def test_keys_are_the_customers_and_the_uuids(place: Place) -> None:
    storage = place.storage(prefix="studio/")
    stored = await put(storage)
    await storage.put_preview(stored.id, b"jpeg")
    stem = f"studio/customers/7/assets/image/{uuid_of(stored.id)}"
    assert place.objects == [f"{stem}.json", f"{stem}.png", f"{stem}.preview.jpg"]
    await storage.delete(stored.id)
    assert place.objects == []


async def test_an_object_says_what_it_is_and_nothing_of_the_prompt(place: Place) -> None:
    jpeg = picture(b"\xff\xd8\xff\xc0\0\x0b\x08\0\x05\0\x05\x01\0\0\0\xff\xd9")
    stored = await put(place.storage(), picture=jpeg)
    client = place.server.client("s3")
    told = client.head_object(Bucket=place.name, Key=place.objects[0])
    record = client.head_object(Bucket=place.name, Key=place.objects[1])
    assert place.objects[0].endswith(".jpg")
    assert (told["ContentType"], record["ContentType"]) == ("image/jpeg", "application/json")
    assert told["ContentDisposition"] == f'inline; filename="{stored.id}.jpg"'
    assert set(told["Metadata"]) == {"atelier-id", "sha256"}
    assert "fox" not in json.dumps(told, default=str)


async def test_customers_do_not_see_each_others_pictures(place: Place) -> None:
    mine = place.storage()
    theirs = place.storage(customer="8")
    stored = await put(mine)
    assert await theirs.get(stored.id) is None
    assert await theirs.newest(9) == []
    assert theirs.id_in(stored.url or "") is None


@exhaustive
async def test_a_signed_link_expires(place: Place) -> None:
    url = (await put(place.storage(url_ttl=3))).url or ""
    assert (await fetched(url)).status_code == 200
    with anyio.fail_after(LONG):
        while (answer := await fetched(url)).status_code == 200:
            await anyio.sleep(0.1)
    assert answer.status_code == 403


async def test_a_signed_link_is_good_for_its_picture_alone(place: Place) -> None:
    storage = place.storage()
    fox, owl = (await put(storage)).url or "", (await put(storage)).url or ""
    assert (await fetched(owl.split("?")[0])).status_code == 403
    assert (await fetched(f"{owl.split('?')[0]}?{urlsplit(fox).query}")).status_code == 403
    assert "X-Amz-Signature" in fox
    assert "X-Amz-Expires=86400" in fox


async def test_a_public_bucket_has_public_links(place: Place) -> None:
    place.server.publish(place.name)
    storage = place.storage(public_base_url=f"{place.server.url}/{place.name}/", prefix="my pictures/")
    stored = await put(storage)
    assert "?" not in (stored.url or "?")
    assert await storage.link(stored.id) == stored.url
    assert (await fetched(stored.url or "")).content == FOX.image_bytes
    assert storage.id_in(stored.url or "") == stored.id


async def refusal(storage: Storage, *, read: bool = False) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await (storage.get(new_id("img")) if read else put(storage))
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert caught.value.hint
    return caught.value


async def test_wrong_credentials_are_told_as_that(place: Place, server: Ministack, keys: Keys) -> None:
    for wrong in (Keys(keys.id, "wrong" + keys.secret), Keys("AKIA0000000000000000", keys.secret)):
        error = await refusal(place.storage(wrong))
        assert error.facts["trouble"] == "credentials"
        assert "AWS_ACCESS_KEY_ID" in error.hint
        assert wrong.secret not in f"{error.message} {error.hint} {error.facts}"
        assert wrong.id not in f"{error.message} {error.hint} {error.facts}"
    assert place.objects == []


async def test_no_credentials_at_all_are_told_as_that(place: Place) -> None:
    error = await refusal(place.storage(Keys("", "")))
    assert error.facts["trouble"] == "credentials"
    assert "AWS_PROFILE" in error.hint


async def test_what_a_host_left_empty_does_not_hide_the_profile(
    place: Place, keys: Keys, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[default]\naws_access_key_id = {keys.id}\naws_secret_access_key = {keys.secret}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "${user_config.key}")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "${user_config.secret}")
    monkeypatch.setenv("AWS_PROFILE", "")
    assert (await put(place.storage(Keys("", "")))).url


async def test_a_missing_bucket_is_told_by_its_name(place: Place) -> None:
    for read in (False, True):
        error = await refusal(place.storage(name="no-such-bucket"), read=read)
        assert error.facts["trouble"] == "bucket"
        assert "no-such-bucket" in error.message
    assert (await refusal(place.storage(name="No Bucket!"))).facts["trouble"] == "bucket"


async def test_a_user_who_may_not_is_told_what_to_allow(place: Place, server: Ministack) -> None:
    reader, writer = server.user("s3:GetObject", "s3:ListBucket"), server.user("s3:PutObject")
    error = await refusal(place.storage(reader))
    assert error.facts["trouble"] == "denied"
    assert "PutObject" in error.message
    assert "s3:PutObject" in error.hint
    assert (await put(place.storage(writer))).url
    assert (await refusal(place.storage(writer), read=True)).facts["trouble"] == "denied"


async def test_a_store_that_is_away_is_told_as_unreachable(place: Place, nobody: str) -> None:
    error = await refusal(place.storage(endpoint=nobody))
    assert error.facts["trouble"] == "unreachable"
    assert nobody in error.message
    assert "ATELIER_S3_ENDPOINT_URL" in error.hint
    assert (await refusal(place.storage(endpoint="http://{braces}.invalid:99999/"))).facts["trouble"] == "unreachable"


SLOW_DOWN = Answer(503, b"<Error><Code>SlowDown</Code></Error>", {"content-type": "application/xml"})
CONFLICT = Answer(409, b"<Error><Code>ConditionalRequestConflict</Code></Error>", {"content-type": "application/xml"})


@pytest.mark.parametrize("fault", [SLOW_DOWN, CONFLICT, Lost()], ids=["slow down", "conflict", "answer lost"])
async def test_a_passing_trouble_costs_no_picture_and_makes_no_second(
    place: Place, front: Front, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "READ_TIMEOUT", 1)
    front.next(fault)
    storage = place.storage(endpoint=front.url)
    stored = await put(storage)
    assert (await storage.head(stored.id) or {})["id"] == stored.id
    assert len(place.objects) == 2


@exhaustive
async def test_a_store_that_fails_on_and_on_is_given_up(place: Place, front: Front) -> None:
    front.next(*[SLOW_DOWN] * 9)
    assert (await refusal(place.storage(endpoint=front.url))).facts["trouble"] == "failing"
    assert len(front.requests) == s3_client.MAX_ATTEMPTS
    front.script.clear()
    front.next(*[CONFLICT] * 9)
    assert "ConditionalRequestConflict" in (await refusal(place.storage(endpoint=front.url))).message


async def test_a_picture_without_our_digest_is_compared_by_its_bytes(place: Place) -> None:
    id, client = new_id("img"), place.server.client("s3")
    key = f"customers/7/assets/image/{uuid_of(id)}.png"
    client.put_object(Bucket=place.name, Key=key, Body=FOX.image_bytes)
    assert (await put(place.storage(), id)).url  # what a put that was broken off had left
    other = new_id("img")
    client.put_object(Bucket=place.name, Key=key.replace(str(uuid_of(id)), str(uuid_of(other))), Body=b"a letter")
    with pytest.raises(ImageError) as caught:
        await put(place.storage(), other)
    assert caught.value.facts["trouble"] == "taken"
    assert len(place.objects) == 3


async def test_bytes_are_checked_on_their_way_and_sent_plain(place: Place, front: Front) -> None:
    await put(place.storage(endpoint=front.url))
    for sent in front.requests:
        assert sent.headers["content-length"] == str(len(sent.body))
        assert len(sent.headers["content-md5"]) == 24
        assert sent.headers["if-none-match"] == "*"
        assert not [name for name in sent.headers if "trailer" in name or "checksum" in name]


UNCONDITIONAL = [(501, "NotImplemented"), (501, ""), (405, "MethodNotAllowed"), (400, "InvalidArgument"), (400, "")]


@pytest.mark.parametrize(("status", "code"), sample(UNCONDITIONAL, [(501, "NotImplemented"), (400, "")]))
async def test_a_store_without_conditional_puts_is_looked_at_first_and_asked_once(
    place: Place, front: Front, status: int, code: str
) -> None:
    front.unconditional = refused_by(status, code)
    storage = place.storage(endpoint=front.url)
    fox, owl = await put(storage), await put(storage)
    assert {(await storage.head(stored.id) or {})["id"] for stored in (fox, owl)} == {fox.id, owl.id}
    puts = [request for request in front.requests if request.method == "PUT"]
    assert ["if-none-match" in request.headers for request in puts] == [True, False, False, False, False]
    written = [request.path for request in puts[1:]]
    assert [request.path for request in front.requests if request.method == "HEAD"] == written  # a look before each
    assert (await put(storage, fox.id)).url
    with pytest.raises(ImageError) as caught:
        await put(storage, fox.id, picture=OWL)
    assert caught.value.facts["trouble"] == "taken"
    assert len(place.objects) == 4
    assert (await fetched(fox.url or "")).content == FOX.image_bytes


async def test_a_put_that_is_refused_without_the_condition_too_is_told_by_that(place: Place, front: Front) -> None:
    broken = refused_by(400, "InvalidArgument")
    front.next(broken, None, broken)
    storage = place.storage(endpoint=front.url)
    error = await refusal(storage)
    assert "InvalidArgument" in error.message
    assert "later" not in error.hint
    assert (await put(storage)).url
    assert front.requests[-1].headers["if-none-match"] == "*"  # it may know the condition all the same


@pytest.mark.usefixtures("localhosts")
async def test_a_store_that_takes_the_bucket_before_its_host_only_names_the_setting(place: Place, front: Front) -> None:
    front.virtual_only = True
    error = await refusal(place.storage(endpoint=f"http://localhost:{front.port}"))
    assert error.facts["trouble"] == "addressing"
    assert error.hint == "Set ATELIER_S3_ADDRESSING=virtual."
    storage = place.storage(endpoint=f"http://localhost:{front.port}", addressing="virtual")
    stored = await put(storage)
    assert front.requests[-1].headers["host"] == f"{place.name}.localhost:{front.port}"
    assert storage.id_in(stored.url or "") == stored.id
    assert (await storage.head(stored.id) or {})["id"] == stored.id
    assert all(key.startswith("customers/7/") for key in place.objects), place.objects


@pytest.mark.usefixtures("localhosts")
@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:{port}/{name}", "http://{name}.localhost:{port}/"])
@pytest.mark.parametrize("addressing", ["auto", "virtual"])
async def test_an_endpoint_that_holds_the_bucket_makes_no_folder_of_its_name(
    place: Place, endpoint: str, addressing: str
) -> None:
    environ = {
        "ATELIER_S3_BUCKET": place.name,
        "ATELIER_S3_ENDPOINT_URL": endpoint.format(port=place.server.port, name=place.name),
        "ATELIER_S3_ADDRESSING": addressing,
    }
    storage = s3.S3Storage(Connection(Settings.from_environ(environ).bucket, place.keys.environ.get), "7")
    stored = await put(storage)
    assert place.objects
    assert all(key.startswith("customers/7/") for key in place.objects), place.objects
    assert storage.id_in(stored.url or "") == stored.id


@pytest.mark.parametrize(
    ("endpoint", "addressing", "store"),
    [
        (None, "auto", (None, "auto")),
        ("https://x.r2.example", "auto", ("https://x.r2.example", "auto")),
        ("https://x.r2.example/fox/", "auto", ("https://x.r2.example/", "auto")),
        ("https://x.example/s3/fox", "path", ("https://x.example/s3/", "path")),
        ("https://x.example/silverfox", "auto", ("https://x.example/silverfox", "auto")),
        ("https://fox.nyc3.example:444", "auto", ("https://nyc3.example:444", "virtual")),
        ("https://fox.nyc3.example/fox", "auto", ("https://nyc3.example/", "virtual")),
        ("https://fox.example", "path", ("https://fox.example", "path")),
        ("https://foxes.example", "auto", ("https://foxes.example", "auto")),
    ],
)
def test_the_bucket_is_taken_out_of_an_endpoint(
    endpoint: str | None, addressing: s3_client.Addressing, store: tuple[str | None, str]
) -> None:
    assert s3_client.without_bucket(endpoint, "fox", addressing) == store


async def test_the_event_loop_goes_on_while_the_store_takes_its_time(place: Place, front: Front) -> None:
    front.next(Slow(0.4))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await anyio.sleep(0.01)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        await put(place.storage(endpoint=front.url))
        tasks.cancel_scope.cancel()
    assert ticks > 10  # of some forty, had it nothing else to do


async def test_a_caller_who_goes_away_does_not_wait_for_the_store(place: Place, front: Front) -> None:
    held = Held()
    front.next(held)
    storage = place.storage(endpoint=front.url)
    with anyio.fail_after(LONG):
        await leave(lambda: put(storage), held.arrival)
    held.go.set()


async def test_one_client_is_made_for_many_calls_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[int]()

    def counted(bucket: Bucket, lookup: Any) -> Any:
        made.append(threading.get_ident())
        return connect(bucket, lookup)

    monkeypatch.setattr(s3_client, "connect", counted)
    storage = place.storage()
    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(put, storage)
    assert len(made) == 1
    assert made[0] != threading.get_ident()


@pytest.mark.parametrize(
    ("bucket", "start"),
    [
        (Bucket(name="fox", region="eu-central-1"), "https://fox.s3.eu-central-1.amazonaws.com/k"),
        (Bucket(name="fox.den", region="eu-central-1"), "https://s3.eu-central-1.amazonaws.com/fox.den/k"),
        (Bucket(name="fox", endpoint_url="https://x.r2.example"), "https://x.r2.example/fox/k"),
        (Bucket(name="fox", endpoint_url="https://x.example", addressing="virtual"), "https://fox.x.example/k"),
        (Bucket(name="fox", region="eu-central-1", addressing="path"), "https://s3.eu-central-1.amazonaws.com/fox/k"),
    ],
    ids=["Amazon", "a name that no certificate covers", "another store", "virtual", "path"],
)
def test_links_are_made_for_the_region_and_the_kind_of_store(bucket: Bucket, start: str) -> None:
    client = connect(bucket, Keys("AKIA", "secret").environ.get)
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket.name, "Key": "k"}, ExpiresIn=60)
    assert url.startswith(f"{start}?X-Amz-Algorithm=AWS4-")


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://b.s3.eu-west-1.amazonaws.com/{key}?X-Amz-Expires=1", True),
        ("https://b.s3.amazonaws.com/{key}", True),
        ("https://s3.eu-west-1.amazonaws.com/b/{key}", True),
        ("https://cdn.example/p/{key}", True),
        ("https://other.s3.amazonaws.com/{key}", False),
        ("https://b.s3.amazonaws.com.evil.example/{key}", False),
        ("https://evil.example/b/{key}", False),
        ("https://b.s3.amazonaws.com/customers/8/assets/image/{name}", False),
        ("https://b.s3.amazonaws.com/{key}.json", False),
        ("https://b.s3.amazonaws.com/{key}/", False),
        ("https://[b", False),
    ],
)
def test_a_link_of_ours_names_its_picture_without_a_request(url: str, ours: bool) -> None:
    id = new_id("img")
    name = f"{uuid_of(id)}.png"
    bucket = Bucket(name="b", public_base_url="https://cdn.example/p")
    storage = s3.S3Storage(Connection(bucket, dict[str, str]().get), "7")
    found = storage.id_in(url.format(key=f"customers/7/assets/image/{name}", name=name))
    assert found == (id if ours else None)


def test_every_trouble_is_one_plain_sentence_with_a_hint() -> None:
    bucket = Bucket(name="pictures")
    for code in s3_client.ERRORS_BY_CODE:
        error = s3_client.error_of_answer(bucket, {"Error": {"Code": code, "Message": "{x}"}}, "PutObject")
        assert re.fullmatch(r"[^{}]+\.", error.message), code
        assert error.hint.endswith(".")
        assert "later" not in error.hint.lower()  # it has to be changed, and no time changes it
    odd = s3_client.error_of_answer(bucket, {"Error": {"Code": "Odd{", "Message": "{0} braces\n"}}, "PutObject")
    assert "{0} braces" in odd.message


@pytest.mark.parametrize(
    ("status", "code", "passing"),
    [
        (503, "SlowDown", True),
        (500, "InternalError", True),
        (429, "TooManyRequests", True),
        (400, "RequestTimeout", True),
        (409, "OperationAborted", True),
        (501, "NotImplemented", False),
        (507, "XMinioStorageFull", False),
        (400, "InvalidArgument", False),
        (405, "MethodNotAllowed", False),
    ],
)
def test_later_is_advised_only_where_it_can_help(status: int, code: str, passing: bool) -> None:
    answer = {"Error": {"Code": code, "Message": "x"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = s3_client.error_of_answer(Bucket(name="pictures"), answer, "PutObject")
    assert ("later" in error.hint.lower()) is passing
    assert ("later" in without_location(error).hint.lower()) is passing


def test_boto3_is_not_imported_before_a_bucket_is_used() -> None:
    program = (
        "import sys\n"
        "from atelier.server.composition import storage_of\n"
        "from atelier.server.settings import Settings\n"
        "import anyio\n"
        "storage = storage_of(Settings.from_environ({'ATELIER_STORAGE': 's3', 'ATELIER_S3_BUCKET': 'b',"
        " 'ATELIER_STATE_DIR': '/nowhere'}))\n"
        "from atelier.server.storage.background_upload import upload_once\n"
        "anyio.run(upload_once, storage)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert "atelier" in done.stdout.split()
    assert not {"boto3", "botocore"} & set(done.stdout.split())
