"""The signatures of `serve` and `studio`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from atelier.server.cli.signatures import defaults


def serve(
    *,
    http: Annotated[bool, Parameter(help="Serve MCP and plain routes over HTTP.")] = False,
    host: Annotated[
        str | None, Parameter(metavar="ADDRESS", help=f"The address to listen on; {defaults.HOST} by default.")
    ] = None,
    port: Annotated[
        int | None,
        Parameter(
            metavar="N", help=f"0 chooses a free one; {defaults.PORT} by default.", validator=Number(gte=0, lte=65_535)
        ),
    ] = None,
) -> int:
    """Serve MCP over stdio until the host closes the pipe, or over HTTP until a signal."""
    from atelier.server.cli.serving import serve as run

    return run(http=http, host=host, port=port)


def studio(
    *,
    no_open: Annotated[bool, Parameter(help="Print the address only.")] = False,
    port: Annotated[
        int,
        Parameter(
            metavar="N", help="The port to listen on; any free one by default.", validator=Number(gte=0, lte=65_535)
        ),
    ] = 0,
) -> int:
    """Open the studio in a browser, a page to see, compare, paint and make images, until Ctrl-C."""
    from atelier.server.cli.stored.studio import studio as run

    return run(no_open=no_open, port=port)
