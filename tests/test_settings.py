"""Settings: what they refuse, and what they say then."""

from __future__ import annotations

import dataclasses
import math
import pickle
from enum import StrEnum
from pathlib import Path
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


@pytest.mark.parametrize(
    "values",
    [
        *({field.name: object()} for field in dataclasses.fields(Settings)),
        {"device": "gpu"},
        {"device": "cuda", "engine": "openvino"},
        {"end": 2.0, "start": 5.0},
        {"max_pixels": 2**63},
        {"threads": 257},
    ],
    ids=" ".join,
)
def test_every_refusal_says_which_setting_it_is_about(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_mapping(values)
    name = next(iter(values))
    sent = pickle.loads(pickle.dumps(caught.value))  # as between processes
    for error in (caught.value, sent):
        assert error.setting == name
        assert str(error).startswith(f"{name} ")
    assert str(sent) == str(caught.value)


class Words(StrEnum):
    LIGHT = "light"
    ENGINE = "torch"
    DEVICE = "cuda:1"
    DETECTOR = "facenet-pytorch"
    FILE = "trusted.pem"


def test_texts_of_a_class_of_the_program_are_kept_as_pythons() -> None:
    settings = Settings(
        Words.LIGHT, Words.ENGINE, Words.DEVICE, detector=Words.DETECTOR, trust_list=Words.FILE
    )
    texts = [getattr(settings, name) for name in ("model", "engine", "device", "detector", "trust_list")]
    assert texts == [word.value for word in Words]
    assert {type(text) for text in texts} == {str}
    assert type(Settings(model=Path("a")).model) is str  # type: ignore[arg-type]


def test_an_unknown_name_is_no_setting() -> None:
    with pytest.raises(SettingsError, match="unknown setting 'frame'; did you mean 'frames'") as caught:
        Settings.from_mapping({"frame": 3})
    assert caught.value.setting is None
