"""`atelier doctor` puts an object into the bucket and deletes it."""

from __future__ import annotations

import json

from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.cli.in_process import atelier
from tests.server.storage.conftest import Place


@exhaustive
def test_a_bucket_is_tried_and_left_as_it_was(environ: Environ, place: Place) -> None:
    environ |= {"ATELIER_STORAGE": "s3", "ATELIER_S3_BUCKET": place.name, "ATELIER_S3_REGION": "us-east-1"}
    environ |= {"ATELIER_S3_ENDPOINT_URL": place.server.url, **place.keys.environ}

    def bucket(environ: Environ) -> dict[str, str]:
        found = json.loads(atelier(environ, "doctor", "--json").stdout)["checks"]
        (check,) = [each for each in found if each["name"] == "bucket"]
        return check

    good = bucket(environ)
    assert (good["state"], good["message"]) == ("ok", f"{place.name}: an object was put and deleted")
    assert place.objects == []
    assert bucket(environ | {"ATELIER_S3_BUCKET": "nowhere"})["state"] == "failed"
