"""Warnings of others that are to be expected, kept from the user."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def expected(message: str = "", category: type[Warning] = Warning, module: str = "") -> Iterator[None]:
    """Ignore the warnings that `message` and `module` (regular expressions) and `category` tell.

    Unlike `warnings.catch_warnings` it takes away just what it has added: that one puts back a whole list of
    filters, which may by then be another thread's, so that everything could stay ignored for good.
    """
    item = (
        "ignore",
        re.compile(message, re.IGNORECASE) if message else None,
        category,
        re.compile(module) if module else None,
        0,
    )
    was_there = item in warnings.filters
    warnings.filterwarnings("ignore", message, category, module)
    try:
        yield
    finally:
        if not was_there:
            with contextlib.suppress(ValueError):  # somebody has reset them meanwhile
                warnings.filters.remove(item)  # type: ignore[attr-defined]
