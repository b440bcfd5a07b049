"""The fields of the answers of Google's two APIs that are read. A part of `gemini`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Self, cast

from pydantic import AfterValidator, Field, model_validator

from atelier.providers.transport.vendor_json import Lenient, VendorModel
from atelier.providers.vendors.image_links import Item

Count = Annotated[int, Field(ge=0, lt=2**53)]


DATA_URI = re.compile(
    r"""(?:!?\[[^\]]{0,200}\])?\(\s*(data:image/[^)"']*)(?:["'][^)]{0,200})?\)?|(data:image/[^,\s]{1,100},[\w+/=%-]+)"""
    r"""|!\[[^\]]{0,200}\]\(\s*(https?://[^\s)]+)[^)]{0,200}\)""",
    re.IGNORECASE,
)
"""An image in a text: a data URI in markdown, where its base64 may have line breaks, or bare; or a link in markdown."""


class Blob(VendorModel):
    data: str | None = Field(default=None, exclude=True)


class File(VendorModel):
    file_uri: Lenient[str] = None


class Part(VendorModel):
    """`thought` marks a draft or a remark before the result. Gateways put images into files or the text.

    `in_text` has the data URIs of the text, and `links` its links to images, which are saved with the answer.
    """

    text: Lenient[str] = None
    thought: Lenient[bool] = None
    inline_data: Blob | None = None
    file_data: Lenient[File] = None
    in_text: Annotated[tuple[str, ...], Field(exclude=True)] = ()
    links: Lenient[tuple[str, ...]] = None

    @model_validator(mode="after")
    def _text_without_pictures(self) -> Self:
        if self.text and (found := DATA_URI.findall(self.text)):
            self.in_text = tuple(uri.strip() for *pair, _ in found for uri in pair if uri)
            self.links = tuple(link for *_, link in found if link)
            self.text = DATA_URI.sub(" ", self.text)
        return self

    def items(self) -> list[Item]:
        inline, link = self.inline_data and self.inline_data.data, self.file_data and self.file_data.file_uri
        return [Item(b64_json=inline, url=link)] if inline or link else []


class Content(VendorModel):
    parts: Lenient[tuple[Lenient[Part], ...]] = None


class Candidate(VendorModel):
    content: Lenient[Content] = None
    finish_reason: Lenient[Annotated[str, AfterValidator(str.upper)]] = None
    finish_message: Lenient[str] = None


class Prediction(VendorModel):
    """Imagen's image and the enhanced prompt, or why the image is withheld."""

    bytes_base64_encoded: str | None = Field(default=None, exclude=True)
    gcs_uri: Lenient[str] = None
    prompt: Lenient[str] = None
    rai_filtered_reason: Lenient[str] = None

    def items(self) -> list[Item]:
        data, link = self.bytes_base64_encoded, self.gcs_uri
        return [Item(b64_json=data, url=link, revised_prompt=self.prompt)] if data or link else []


class Share(VendorModel):
    modality: Lenient[str] = None
    token_count: Lenient[Count] = None


class Tokens(VendorModel):
    prompt_token_count: Lenient[Count] = None
    candidates_token_count: Lenient[Count] = None
    thoughts_token_count: Lenient[Count] = None
    prompt_tokens_details: Lenient[tuple[Lenient[Share], ...]] = None
    candidates_tokens_details: Lenient[tuple[Lenient[Share], ...]] = None


class Feedback(VendorModel):
    """Why a prompt was refused before generation began."""

    block_reason: Lenient[str] = None
    block_reason_message: Lenient[str] = None


class Answer(VendorModel):
    """The answer of either API: candidates are Gemini's, predictions Imagen's. One that cannot be read is None.

    Gateways send null where the vendor leaves a field out.
    """

    candidates: Lenient[tuple[Lenient[Candidate], ...]] = None
    predictions: Lenient[tuple[Lenient[Prediction], ...]] = None
    prompt_feedback: Lenient[Feedback] = None
    usage_metadata: Lenient[Tokens] = None
    model_version: Lenient[str] = None
    response_id: Lenient[str] = None

    @model_validator(mode="before")
    @classmethod
    def _of_one_or_several(cls, value: Any) -> Any:
        """Unwrap `{"response": ...}`, and join the parts of a stream."""
        given = cast("list[Any]", value) if isinstance(value, list) else [value]
        if not given or not all(isinstance(part, dict) for part in given):
            return cast("Any", value)
        parts = [_unwrapped(part) for part in given]
        whole = {name: field for part in parts for name, field in part.items() if field is not None}
        return {**whole, "candidates": [each for part in parts for each in part.get("candidates") or ()]}

    def results(self) -> list[Item | None]:
        """Return each image that is a result; None for a part that cannot be read."""
        parts = self._parts(thoughts=False)
        found = _items([*parts, *(self.predictions or ())])
        if any(found):
            return found
        return [*found, *(Item(url=uri) for part in parts if part for uri in (*part.in_text, *(part.links or ())))]

    def drafts(self) -> list[Item | None]:
        """Return each image that is a thought."""
        return _items(self._parts(thoughts=True))

    def text(self) -> str:
        """Return the text of the answer."""
        return " ".join(part.text.strip() for part in self._parts(thoughts=False) if part and part.text)

    def withheld(self) -> str:
        """Return why images of Imagen are missing."""
        return " ".join(p.rai_filtered_reason for p in self.predictions or () if p and p.rai_filtered_reason)

    @property
    def blocked(self) -> Feedback:
        return self.prompt_feedback or Feedback()

    @property
    def last(self) -> Candidate:
        return (self.candidates[-1] if self.candidates else None) or Candidate()

    def _parts(self, *, thoughts: bool) -> list[Part | None]:
        found = list[Part | None]()
        for candidate in self.candidates or ():
            found += ((candidate.content and candidate.content.parts) or ()) if candidate else (None,)
        return [part for part in found if (thoughts if part and part.thought else not thoughts)]


def _unwrapped(answer: Any) -> dict[str, Any]:
    fields = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    inner = fields.get("response")
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else fields


def _items(parts: Iterable[Part | Prediction | None]) -> list[Item | None]:
    return [item for part in parts for item in (part.items() if part else (None,))]
