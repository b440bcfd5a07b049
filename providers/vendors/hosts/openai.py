"""The dialect of OpenAI, as a LiteLLM proxy and many hosts have it: the wire of the vendor `openai` at another host."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from atelier.providers.core.types import Model, Operation
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.hosts.rows import rows_of, vendor_of
from atelier.providers.vendors.hosts.settings import Host
from atelier.providers.vendors.openai.adapter import collect, lifecycles, prepare, read
from atelier.providers.vendors.openai.models import FLARE, MODELS
from atelier.providers.vendors.openai.refusals import Names, explain

GPT_IMAGE = next(row for row in MODELS if row.id == FLARE)

UNLISTED = replace(
    GPT_IMAGE,
    id="unlisted",
    snapshots=(),
    operations=GPT_IMAGE.operations | {Operation.VARIATION},
    styles=("vivid", "natural"),
    links=True,
    any_value=True,
)
"""A model of which only the dialect is known: all that the dialect has a field for is passed on."""


def provider_of(host: Host, unlisted: Model = UNLISTED) -> Provider:
    """Return the vendor of a host with this dialect. It lists the models that its entry names."""
    models = rows_of(host, (), MODELS, unlisted)
    names = names_of(host)
    return vendor_of(
        host,
        models,
        unlisted,
        prepare=prepare,
        read=partial(read, names=names),
        explain=partial(explain, names=names),
        collect=partial(collect, names=names),
        lifecycles=lifecycles,
    )


def names_of(host: Host) -> Names:
    """Return how messages name the host."""
    return Names(
        host.label, host.token or host.key, f"{host.label} may not serve this model; check its list of models."
    )
