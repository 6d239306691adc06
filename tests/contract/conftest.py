"""The suites are plain classes of `triskel.testing`; their assertions are rewritten so that failures show the values."""

import pytest

pytest.register_assert_rewrite("triskel.testing.contracts")
