"""`pytest --update-golden` rewrites golden files; look at the diff before keeping it.

Property tests: the same examples in every run, so that a run that passes passes again.

``pytest --hypothesis-profile explore`` draws other examples, and more of them: do it before a release.
"""

from __future__ import annotations

import hypothesis
import pytest

# No deadline: a busy machine is no failure.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")
