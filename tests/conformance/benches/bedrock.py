"""The bench of Bedrock, with an API key. Signed requests are in tests/providers/vendors/bedrock."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import Reason
from atelier.providers.core.types import Model, Operation
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import bedrock
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.bedrock import PROVIDER
from atelier.providers.vendors.stability.models import OUTPAINT

SERVICES = (
    "inpaint", "erase-object", "search-replace", "search-recolor", "remove-background", "control-structure",
    "control-sketch", "style-guide",
)  # fmt: skip
PRICES = {
    **{f"stable-image-{name}-v1:0": "0.07" for name in SERVICES},
    "stable-image-core-v1:1": "0.04",
    "stable-image-ultra-v1:1": "0.14",
    "sd3-5-large-v1:0": "0.08",
    "stable-style-transfer-v1:0": "0.08",
    "stable-outpaint-v1:0": "0.06",
    "stable-fast-upscale-v1:0": "0.03",
    "stable-conservative-upscale-v1:0": "0.4",
    "stable-creative-upscale-v1:0": "0.6",
}


def stage(host: bedrock.Bedrock, patch: pytest.MonkeyPatch) -> None:
    """Every row answers as it is."""


def minimal_body(model: Model) -> Body:
    return {"prompt": "a fox"}


def needs_prompt(model: Model, operation: Operation) -> bool:
    """A variation or an upscaling is described as well."""
    return model.max_prompt > 0 and model.wire != OUTPAINT


BENCH = Bench(
    provider=PROVIDER,
    host=bedrock.Bedrock,
    key=bedrock.KEY,
    stage=stage,
    minimal_body=minimal_body,
    needs_prompt=needs_prompt,
    refuses={"stable-style-transfer-v1:0": Reason.INVALID_REQUEST},  # with one source image
    faults=Faults(
        forbidden=bedrock.NO_ACCESS,
        no_credit=bedrock.trouble(400, "ServiceQuotaExceededException", "Your request exceeds the quota."),
        no_such_model=bedrock.NO_MODEL,
        too_many=lambda delay: bedrock.trouble(
            429, "ThrottlingException", "Too many requests.", retry_after=f"{delay}"
        ),
        broken_server=bedrock.BROKEN_SERVER,
        broken_json=Answer(200, b'{"seeds": [1], "images": ["iVBORw0K'),
        empty=Answer(200, {"seeds": [], "finish_reasons": [None], "images": []}),
        moderated=(
            bedrock.withheld("Filter reason: prompt"),
            bedrock.withheld("Filter reason: input image"),
            bedrock.withheld("Filter reason: output image"),
        ),
        refused=lambda words: bedrock.trouble(400, "ValidationException", words),
    ),
    prices=tuple((id, "", usd) for id, usd in PRICES.items()),
)
