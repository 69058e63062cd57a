"""What counts as a number in settings, cards and calibrations, and how probabilities are rounded."""

from __future__ import annotations

import math

LARGEST = 1e9
"""No number of a calibration lies farther from 0: no logit can then be made infinite by it."""


def whole_percent(probability: float) -> int:
    """A probability in whole per cent, halves upwards: the one way in which all reports round."""
    return math.floor(probability * 100 + 0.5)


def is_number(value: object) -> bool:
    """True for a finite int or float that fits a float; a bool is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int of hundreds of digits
        return False
