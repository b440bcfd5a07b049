"""Vertex AI's model rows: those of `gemini` with what Google Cloud adds.

Facts: google-genai 3.6 for the fields, and litellm 1.110.2 for the last days (2026-11-29). When Google Cloud ended the
previews and Imagen 3 is not known; Imagen ended on 2026-08-17 as it did at the Gemini API.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from atelier.providers.core.gates.option_limits import one_of, option_columns
from atelier.providers.core.types import Feature, Lifecycle, Model
from atelier.providers.vendors.gemini.models import BANANA, CONTENT, PRO
from atelier.providers.vendors.gemini.models import MODELS as GEMINI_MODELS

PEOPLE = one_of("person_generation", "allow_all", "allow_adult", "allow_none")
ENDS = {
    "gemini-3.1-flash-image": Lifecycle("deprecated", date(2027, 5, 28), BANANA),
    PRO: Lifecycle("deprecated", date(2027, 5, 28)),  # doubtful: litellm alone has the day, and no successor
}


def row(model: Model) -> Model:
    """Return Vertex AI's row of a model."""
    if model.wire != CONTENT:
        return replace(model)
    return replace(
        model,
        formats=("png", "jpeg"),
        features=model.features | {Feature.COMPRESSION},
        lifecycle=ENDS.get(model.id, model.lifecycle),
        **option_columns(*model.limits, PEOPLE),
    )


MODELS = tuple(row(model) for model in GEMINI_MODELS)
