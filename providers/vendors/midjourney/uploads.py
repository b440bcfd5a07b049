"""Upload a source to kie.ai before a request, because the service fetches it by a public link. It costs nothing.

Doubtful: the names of the fields. A wrong one is refused, and nothing is billed.
"""

from __future__ import annotations

import base64
import json

from atelier.providers.transport.vendor_json import Lenient, VendorModel, invalid_response, parse_answer
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Completed, Job

UPLOAD = "upload:0"
HOST = "https://kieai.redpandaai.co"


class File(VendorModel):
    download_url: Lenient[str] = None
    file_url: Lenient[str] = None


class Answer(VendorModel):
    data: Lenient[File] = None


async def complete(request: httpx.Request, job: Job, wire: Wire) -> Completed:
    """Upload the source that the request names, and return it with the link in its place."""
    text = request.read().decode()
    if json.dumps(UPLOAD) not in text:
        return Completed(request)
    source = job.request.sources[0]
    await wire.on_progress("Uploading the source to kie.ai.")
    body = {
        "base64Data": f"data:{source.mime};base64,{base64.b64encode(source.image_bytes).decode()}",
        "uploadPath": "atelier",
        "fileName": f"source.{source.format}",
    }
    host = job.endpoint.base_url if job.endpoint.custom else HOST
    answer = await wire.free("POST", f"{host}/api/file-base64-upload", json=body)
    file = parse_answer(Answer, answer.content).data
    link = file and (file.download_url or file.file_url)
    if not link:
        raise invalid_response("kie.ai did not say where it put the source image.")
    text = text.replace(json.dumps(UPLOAD), json.dumps(link))
    return Completed(httpx.Request("POST", request.url, json=json.loads(text)))
