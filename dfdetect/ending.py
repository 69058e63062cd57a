"""Python refuses threads once the main thread has ended; those that still run then work without others."""

from __future__ import annotations


def is_at_the_end(error: RuntimeError) -> bool:
    """Whether `error` says that there are no more threads, since the program is ending."""
    # "cannot schedule new futures after interpreter shutdown" of `concurrent.futures`, and from Python 3.12
    # on "can't create new thread at interpreter shutdown".
    return "interpreter shutdown" in str(error)
