"""What the process sets up for itself."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.types import Endpoint
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.transport.wire import httpx
from atelier.server.composition import preload

BLOCKS_OF_THEIR_OWN = """
import ctypes, sys
from atelier.server.composition import return_large_blocks

class Memory(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    _fields_ = [(name, ctypes.c_size_t) for name in names]

glibc = ctypes.CDLL(None)
glibc.mallinfo2.restype = Memory
if sys.argv[1] == "set":
    return_large_blocks()
bytearray(16 * 2**20)  # freed at once; from now on glibc would keep such blocks
before = glibc.mallinfo2().hblkhd
image = bytearray(2 * 2**20)
print(glibc.mallinfo2().hblkhd - before)
"""
"""Prints how many bytes of an image of 2 MB are in a block that goes back to the system when it is freed."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
@pytest.mark.parametrize(("word", "own"), [("set", True), ("default", False)])
def test_the_memory_of_an_image_goes_back_to_the_system_also_after_a_larger_one(word: str, own: bool) -> None:
    command = [sys.executable, "-c", BLOCKS_OF_THEIR_OWN, word]
    found = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert (found >= 2 * 2**20) is own


def test_the_preload_makes_the_clients_of_the_vendors_that_are_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[str]()

    def client(endpoint: Endpoint, *_: object) -> httpx.AsyncClient:
        made.append(endpoint.base_url_variable)
        return httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200)))

    monkeypatch.setattr("atelier.providers.pipeline.dispatch.vendor_client", client)
    pipeline = Pipeline(Catalog({"OPENAI_API_KEY": "sk-1"}.get))
    preload(pipeline)
    assert [name for name in made if name] == ["OPENAI_BASE_URL"]
