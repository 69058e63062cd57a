"""Settings: what they refuse, and what they say then."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dfdetect.errors import SettingsError
from dfdetect.settings import Settings


@pytest.mark.parametrize("prior", [0.0, 1e-9, 9.9e-6, 1 - 9.9e-6, 1.0, -0.1, math.nan, "0.5", True])
def test_a_prior_that_leaves_the_scale_is_refused(prior: Any) -> None:
    with pytest.raises(SettingsError, match=r"prior must be between 0\.00001 and 0\.99999, not "):
        Settings(prior=prior)


@pytest.mark.parametrize("prior", [None, 0.00001, 0.5, 0.99999])
def test_other_priors_are_taken(prior: float | None) -> None:
    assert Settings(prior=prior).prior == prior


@pytest.mark.parametrize("threshold", [0.0, 1.0, math.nan])
def test_a_threshold_lies_between_0_and_1(threshold: float) -> None:
    with pytest.raises(SettingsError, match="threshold must be between 0 and 1"):
        Settings(threshold=threshold)
    assert Settings(threshold=1e-9).threshold == 1e-9


@pytest.mark.parametrize("name", ["heatmaps", "pictures", "evidence"])
def test_booleans_of_numpy_are_kept_as_pythons(name: str) -> None:
    assert getattr(Settings.from_mapping({name: np.True_}), name) is True
    assert getattr(Settings.from_mapping({name: np.False_}), name) is False
    for wrong in (np.int64(1), 1, "yes", None):
        with pytest.raises(SettingsError, match=f"{name} must be True or False"):
            Settings.from_mapping({name: wrong})


def test_booleans_of_numpy_are_no_numbers() -> None:
    with pytest.raises(SettingsError, match="frames must be a whole number"):
        Settings(frames=np.True_)  # type: ignore[arg-type]
