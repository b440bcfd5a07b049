"""One suite that every vendor passes, cell by cell. A vendor brings a `Bench`; the rest is the same for all."""

import pytest

pytest.register_assert_rewrite("tests.conformance.suite")
