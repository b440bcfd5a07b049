"""The emulator is proven by two clients that are none of ours: the vendor's own for FLUX.1, a plain one for the rest.

The vendor's client (blackforest 0.1.3) knows neither FLUX.2 nor FLUX 3, and polls on when a task was moderated.
"""

from __future__ import annotations

import base64
import io
import json
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from atelier.providers.testing.emulators import flux_rules as emulated
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.server import Answer, Dropped, Slow
from tests.conftest import png


def picture(width: int = 256, height: int = 256, colour: Any = "navy") -> str:
    return base64.b64encode(png(width, height, colour)).decode()


class RefusedError(Exception):
    """A status that is no success, with the JSON of its body."""

    def __init__(self, status: int, body: Any) -> None:
        self.status, self.body = status, body


def ask(url: str, body: Any = None, key: str = "", kind: str = "application/json", timeout: float = 10) -> bytes:
    """One exchange. It follows redirects, as this client's library does."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": kind, **({"x-key": key} if key else {})}
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise RefusedError(error.code, error.read()) from None


def submit(flux: Flux, model: str, **body: Any) -> dict[str, Any]:
    return json.loads(ask(f"{flux.url}/v1/{model}", body, key=flux.key))


def poll(flux: Flux, task: dict[str, Any]) -> dict[str, Any]:
    return json.loads(ask(task["polling_url"], key=flux.key))


def complaints(caught: pytest.ExceptionInfo[RefusedError]) -> list[tuple[str, str]]:
    return [(".".join(map(str, each["loc"])), each["type"]) for each in json.loads(caught.value.body)["detail"]]


@pytest.fixture
def sdk(flux: Flux) -> Iterator[Any]:
    """The vendor's own client; it declares its fields as pydantic 1 did, and warns of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = pytest.importorskip("blackforest.client", exc_type=ImportError)
    client = library.BFLClient(api_key=flux.key, base_url=flux.url, timeout=10)
    yield client
    client.session.close()


@pytest.fixture
def waiting(sdk: Any) -> Any:
    config = pytest.importorskip("blackforest.types.general.client_config").ClientConfig
    return config(sync=True, timeout=10, polling_interval=0.1)


def test_the_vendors_client_submits_polls_elsewhere_and_gets_a_link(flux: Flux, sdk: Any, waiting: Any) -> None:
    flux.polls.next(emulated.PENDING)
    answer = sdk.generate("flux-pro-1.1", {"prompt": "a fox", "width": 512, "height": 256}, waiting)
    with Image.open(io.BytesIO(ask(answer.result["sample"]))) as made:
        assert (made.format, made.size) == ("JPEG", (512, 256))
    assert isinstance(answer.result["seed"], int)
    assert flux.dropped == []
    assert len(flux.polls.requests) == 2


def test_the_vendors_client_hands_over_an_image_prompt(flux: Flux, sdk: Any, waiting: Any) -> None:
    answer = sdk.generate("flux-dev", {"image_prompt": picture(), "steps": 20}, waiting)
    assert ask(answer.result["sample"])
    assert flux.requests[0].json["image_prompt"] == picture()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (emulated.NOT_AUTHENTICATED, "403"),
        (emulated.NO_CREDITS, "402"),
        (emulated.RATE_LIMITED, "429"),
        (emulated.BROKEN_SERVER, "500"),
        (emulated.OVERLOADED, "503"),
        (emulated.BROKEN_JSON, "polling_url"),
    ],
)
def test_scripted_failures_reach_the_vendors_client(flux: Flux, sdk: Any, fault: Answer, told: str) -> None:
    flux.next(fault)
    with pytest.raises(Exception, match=told) as caught:
        sdk.generate("flux-pro-1.1", {"prompt": "a fox"})
    assert type(caught.value).__name__ == "BFLError"


@pytest.mark.parametrize("fault", [Dropped(), Slow(0.6)], ids=["dropped", "slow"])
def test_a_silent_or_broken_connection_reaches_a_client(flux: Flux, fault: Dropped | Slow) -> None:
    flux.next(fault)
    with pytest.raises(OSError, match=r"timed out|closed|reset"):
        ask(f"{flux.url}/v1/flux-2-pro", {"prompt": "a fox"}, timeout=0.3)


def test_flux_2_names_its_cost_and_takes_up_to_eight_pictures(flux: Flux) -> None:
    more = {f"input_image_{number}": picture(64, 64) for number in range(2, 9)}
    task = submit(flux, "flux-2-pro", prompt="a fox", input_image=picture(64, 64), width=2048, height=1024, **more)
    assert (task["cost"], task["output_mp"]) == (3.0, 2.0)
    done = poll(flux, task)
    assert done["status"] == "Ready"
    with Image.open(io.BytesIO(ask(done["result"]["sample"]))) as made:
        assert (made.format, made.size) == ("JPEG", (2048, 1024))


def test_flux_3_makes_a_png_in_a_ratio_and_tells_the_expanded_prompt(flux: Flux) -> None:
    task = submit(flux, "flux-3-image", prompt="a fox", aspect_ratio="16:9", resolution="768sq", images=[picture()])
    result = poll(flux, task)["result"]
    with Image.open(io.BytesIO(ask(result["sample"]))) as made:
        assert (made.format, made.size) == ("PNG", (1024, 576))
    assert isinstance(result["expanded_prompt"], str)
    assert len(result["expanded_prompt"]) > len("a fox")
    assert "seed" not in result


def test_the_tools_draw_what_their_names_say(flux: Flux) -> None:
    sizes = list[tuple[int, int]]()
    for task in (
        submit(flux, "flux-pro-1.0-fill", prompt="a hat", image=picture(), mask=picture(colour="white")),
        submit(flux, "flux-pro-1.0-expand", image=picture(), left=100, bottom=50),
        submit(flux, "flux-tools/erase-v1", image=picture(), mask=picture(colour="white"), dilate_pixels=0),
        submit(flux, "flux-tools/outpainting-v1", input_image=picture(), width=512, height=256, reference_offset_x=256),
    ):
        with Image.open(io.BytesIO(ask(poll(flux, task)["result"]["sample"]))) as made:
            sizes.append(made.size)
    assert sizes == [(256, 256), (356, 306), (256, 256), (512, 256)]


REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    ("flux-2-pro", {}, "body.prompt", "missing"),
    ("flux-2-pro", {"prompt": "a", "width": 1000}, "body.width.constrained-int", "multiple_of"),
    ("flux-2-pro", {"prompt": "a", "width": 4096, "height": 4096}, "body", "value_error"),
    ("flux-2-klein-4b", {"prompt": "a", "input_image": "!!!!"}, "body.input_image", "value_error"),
    ("flux-2-pro", {"prompt": "a", "safety_tolerance": 6}, "body.safety_tolerance", "less_than_equal"),
    ("flux-pro-1.1", {"prompt": "a", "width": 1472}, "body.width", "less_than_equal"),
    ("flux-dev", {"prompt": "a", "steps": 51}, "body.steps", "less_than_equal"),
    ("flux-pro-1.1-ultra", {"prompt": "a", "aspect_ratio": "3:1"}, "body.aspect_ratio", "value_error"),
    ("flux-kontext-pro", {"input_image": picture()}, "body.prompt", "missing"),
    ("flux-3-image", {"prompt": "a", "seed": 1}, "body.seed", "extra_forbidden"),
    ("flux-3-image", {"prompt": "a", "width": 1024}, "body.width", "extra_forbidden"),
    ("flux-3-image", {"prompt": "a", "resolution": "1K"}, "body.resolution", "literal_error"),
    ("flux-3-image", {"prompt": "a", "images": [picture(64, 64)]}, "body.images.0", "value_error"),
    ("flux-3-image", {"prompt": "a", "images": [picture()] * 11}, "body.images", "too_long"),
    ("flux-3-image-klein", {"prompt": "a", "grounding": False}, "body.grounding", "extra_forbidden"),
    ("flux-pro-1.0-fill", {"image": picture(), "mask": picture(64, 64)}, "body", "value_error"),
    ("flux-pro-1.0-expand", {"image": picture(), "top": 2049}, "body.top", "less_than_equal"),
    ("flux-tools/erase-v1", {"image": picture()}, "body.mask", "missing"),
    ("flux-tools/outpainting-v1", {"input_image": picture(), "width": 512}, "body.height", "missing"),
    ("flux-tools/outpainting-v1", {"input_image": picture(), "width": 128, "height": 512}, "body", "value_error"),
    (
        "flux-tools/outpainting-v1",
        {"input_image": picture(), "width": 512, "height": 512, "left": 256},
        "body.left",
        "extra_forbidden",
    ),
]


@pytest.mark.parametrize(("model", "body", "where", "kind"), REFUSALS)
def test_what_a_schema_forbids_is_a_422(flux: Flux, model: str, body: dict[str, Any], where: str, kind: str) -> None:
    with pytest.raises(RefusedError) as caught:
        submit(flux, model, **body)
    assert caught.value.status == 422
    assert (where, kind) in complaints(caught)
    assert flux.credits == 100.0


def test_the_older_schemas_drop_what_they_do_not_know_and_bill(flux: Flux) -> None:
    submit(flux, "flux-2-pro", prompt="a fox", negative_prompt="dogs", aspect_ratio="1:1")
    submit(flux, "flux-kontext-pro", prompt="a fox", width=512)
    assert flux.dropped == ["aspect_ratio", "negative_prompt", "width"]
    assert flux.credits == 93.0


def test_an_unknown_path_a_form_and_an_empty_purse_are_refused(flux: Flux) -> None:
    flux.credits = 1.0
    for model, key, kind, status in (
        ("flux-4", flux.key, "application/json", 404),
        ("flux-2-pro", flux.key, "text/plain", 422),
        ("flux-2-pro", flux.key, "application/json", 402),
        ("flux-2-pro", "wrong", "application/json", 403),
    ):
        with pytest.raises(RefusedError) as caught:
            ask(f"{flux.url}/v1/{model}", {"prompt": "a fox"}, key, kind)
        assert caught.value.status == status
    assert json.loads(ask(f"{flux.url}/v1/credits", key=flux.key)) == {"credits": 1.0}


def test_a_task_is_found_only_where_it_runs(flux: Flux) -> None:
    task = submit(flux, "flux-2-pro", prompt="a fox")
    here = json.loads(ask(f"{flux.url}/v1/get_result?id={task['id']}", key=flux.key))
    assert here["status"] == "Task not found"
    there = json.loads(ask(f"{flux.polls.url}/v1/get_result?id=nobody", key=flux.key))
    assert there["status"] == "Task not found"


@pytest.mark.parametrize(("one_host", "name"), [(True, "127.0.0.1"), (False, "127.0.0.1"), (False, "localhost")])
def test_a_poll_wants_the_key_wherever_it_is(flux: Flux, one_host: bool, name: str) -> None:
    flux.one_host, flux.polls_name = one_host, name
    task = submit(flux, "flux-2-pro", prompt="a fox")
    assert task["polling_url"].startswith(f"http://{name}:{(flux if one_host else flux.polls).port}/")
    with pytest.raises(RefusedError) as caught:
        ask(task["polling_url"])
    assert caught.value.status == 403
    assert poll(flux, task)["status"] == "Ready"


def test_a_link_holds_with_its_signature_and_for_its_time(flux: Flux) -> None:
    task = submit(flux, "flux-2-pro", prompt="a fox")
    link = poll(flux, task)["result"]["sample"]
    assert ask(link)
    assert [request.path.split("/")[1] for request in flux.requests[-2:]] == ["results", "blobs"]
    with pytest.raises(RefusedError):
        ask(link.partition("?")[0] + "?sig=forged")
    flux.expired = True
    with pytest.raises(RefusedError) as caught:
        ask(link)
    assert caught.value.status == 403


def test_a_scripted_poll_is_answered_once_and_the_task_goes_on_beside_it(flux: Flux) -> None:
    task = submit(flux, "flux-3-image", prompt="a fox")
    paid = flux.credits
    flux.polls.next(emulated.state("Content Moderated", 503), emulated.PENDING)
    with pytest.raises(RefusedError) as caught:
        poll(flux, task)
    assert (caught.value.status, json.loads(caught.value.body)["status"]) == (503, "Content Moderated")
    assert [poll(flux, task)["status"] for _ in range(3)] == ["Pending", "Ready", "Ready"]
    assert flux.credits == paid
