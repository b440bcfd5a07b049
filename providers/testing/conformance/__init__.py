"""One suite that every vendor passes, cell by cell. A vendor brings a `Bench`; the rest is the same for all.

Start with `bench` (what a vendor brings) and `suite` (ProviderConformance). Needs the extra `testing`.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("helpers", "matrix", "exchange", "failing", "leaving"))
)
