"""Warnings that are kept from the user, and only those."""

from __future__ import annotations

import warnings

from dfdetect.quiet import expected


def test_only_what_is_expected_is_ignored() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with expected(".*odd tag", UserWarning):
            warnings.warn("an odd tag", stacklevel=1)
            warnings.warn("an odd tag", DeprecationWarning, stacklevel=1)
            warnings.warn("a bomb", stacklevel=1)
        assert list(warnings.filters) == before
        warnings.warn("an odd tag", stacklevel=1)
    assert [(str(one.message), one.category) for one in caught] == [
        ("an odd tag", DeprecationWarning),
        ("a bomb", UserWarning),
        ("an odd tag", UserWarning),
    ]


def test_filters_of_others_stay_as_they_are() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "mine", UserWarning)
        before = list(warnings.filters)
        with expected("mine", UserWarning):
            pass
        assert list(warnings.filters) == before, "not taken away, since it was there"
        with expected("theirs"), warnings.catch_warnings():
            warnings.simplefilter("error")
        assert list(warnings.filters) == before
