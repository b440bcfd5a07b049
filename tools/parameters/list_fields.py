"""The filters of list_models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from atelier.providers.core.types import Operation
from atelier.tools.parameters.fields import Blank, Word

OperationFilter = Annotated[Operation | None, Blank, Word, Field(description="Only models that can do this.")]
VendorFilter = Annotated[
    Annotated[str, Field(max_length=40)] | None,
    Blank,
    Word,
    Field(description="Only this vendor, such as openai."),
]
WordFilter = Annotated[
    Annotated[str, Field(max_length=60)] | None,
    Blank,
    Field(description="Only models with this in a name, operation, option or style."),
]
