"""One suite that every vendor passes, cell by cell. A vendor brings a `Bench`; the rest is the same for all.

Start with `bench` (what a vendor brings) and `suite` (ProviderConformance). Needs the extra `testing`.
"""

import pytest

PROMISES = ("option_promises", "request_promises", "failure_promises", "interruption_promises")

pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in ("helpers", *PROMISES)))
