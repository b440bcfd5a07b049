"""The vendor of a host, and its rows: the models that its entry names, or those that its dialect lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.option_limits import Limit
from atelier.providers.core.gates.refusals import close_names, did_you_mean
from atelier.providers.core.types import CURRENT, Model
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.hosts.settings import HOSTS, Host, HostModel


def vendor_of(host: Host, models: tuple[Model, ...], unlisted: Model, **functions: Any) -> Provider:
    """Return the vendor of a host with these rows; `functions` are those of its dialect, as `Provider` names them."""
    return Provider(
        name=host.name,
        title=host.label,
        names=(host.name,),
        endpoint=host.endpoint,
        models=models,
        default=models[0].id if models else "",
        unlisted=unlisted,
        qualified=True,
        **functions,
    )


def rows_of(host: Host, listed: Sequence[Model], templates: Sequence[Model], unlisted: Model) -> tuple[Model, ...]:
    """Return the host's rows. A model that its entry names without `like` is the dialect's row of that id, or unlisted.

    `templates` are the rows that `like` may name. Raises invalid_request for a `like` that is none of them.
    """
    if not host.models:
        return tuple(listed)
    return tuple(_row(host, model, listed, templates, unlisted) for model in host.models)


def _row(host: Host, model: HostModel, listed: Sequence[Model], templates: Sequence[Model], unlisted: Model) -> Model:
    candidates = templates if model.like else listed
    wanted = (model.like or model.id).lower()
    found = next((row for row in candidates if row.id.lower() == wanted), None)
    if found is None and model.like:
        ids = [row.id for row in templates]
        known = did_you_mean(close_names(wanted, ids)) or f"There are {', '.join(ids)}."
        message = f"{HOSTS} is wrong: {host.name} has a model like “{sanitize(model.like, 60)}”, which is not listed."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=known)
    return replace(found or unlisted, id=model.id, aliases=(), snapshots=(), lifecycle=CURRENT)


def check_options(given: Iterable[str], limits: Sequence[Limit], vendor: str) -> None:
    """Raise unsupported_option for an option that the host may drop; the gates let an unlisted model pass with any."""
    known = [limit.option for limit in limits]
    if unknown := next((option for option in given if option not in known), None):
        message = f"{vendor} has no option {sanitize(unknown, 60)}, or may drop it and bill."
        hint = f"There are {', '.join(known)}."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint=hint, facts={"option": unknown, "offered": known})
