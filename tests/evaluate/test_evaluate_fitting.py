"""Small fits: Platt scaling and the conformal band keep what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from dfdetect.evaluate.fitting import (
    band_between,
    conformal_bounds,
    fit_isotonic,
    fit_logistic,
    fit_platt,
    fit_weights,
)
from dfdetect.verdict.calibration import Platt, to_probability


def band_of(*given: Any) -> tuple[float, float]:
    return band_between(*conformal_bounds(*given))


def sample(count: int, a: float, b: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels for which a * logit + b is the true log-odds at equal priors."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    z = rng.normal(np.where(labels == 1, 2.0, -2.0), 2.0)  # log-odds of these two normals is z itself
    return (z - b) / a, labels


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (0.2, -1.0), (7.0, 3.0)])
def test_platt_finds_the_truth(a: float, b: float) -> None:
    found = fit_platt(*sample(20_000, a, b))
    assert found.a == pytest.approx(a, rel=0.08)
    assert found.b == pytest.approx(b, abs=0.1)


def test_platt_is_for_equal_priors() -> None:
    logits, labels = sample(20_000, 1.0, 0.0)
    kept = (labels == 1) | (np.random.default_rng(1).random(20_000) < 0.1)
    assert fit_platt(logits[kept], labels[kept]).b == pytest.approx(0.0, abs=0.15)


def test_platt_is_drawn_to_the_common_fit_when_there_is_little() -> None:
    centre = Platt(1.0, 0.0)
    logits, labels = sample(10, 0.4, 1.0)
    many, many_labels = sample(5000, 0.4, 1.0)
    few = fit_platt(logits, labels, centre, strength=200)
    enough = fit_platt(many, many_labels, centre, strength=200)
    assert abs(few.a - 1.0) < abs(few.a - 0.4)
    assert abs(enough.a - 0.4) < 0.1
    assert fit_platt(logits[labels == 1], labels[labels == 1], centre, 40) == centre


def test_platt_never_turns_the_score_round_and_survives_separation() -> None:
    logits, labels = sample(200, 1.0, 0.0)
    assert fit_platt(-logits, labels).a == 0.0
    apart = fit_platt(np.array([-1.0, -2.0, 1.0, 2.0]), np.array([0, 0, 1, 1]))
    assert 0 < apart.a < 100
    assert to_probability(apart.log_odds(2.0)) < 0.99  # smoothed targets: four files prove little
    assert np.isfinite(fit_platt(np.zeros(10), np.arange(10) % 2).b)


@pytest.mark.parametrize("offset", [True, False])
@pytest.mark.parametrize("score", [0.0, 0.1, -3.3])
def test_platt_of_a_score_that_says_nothing_is_one_half_for_any_counts(score: float, offset: bool) -> None:
    labels = (np.arange(180) < 60).astype(int)
    assert fit_platt(np.full(180, score), labels, offset=offset) == Platt(0.0, 0.0)
    assert fit_platt(score - labels, labels, offset=offset).log_odds(5.0) == 0.0
    assert fit_platt(score - labels, labels, Platt(1.0, 0.5), 0.1, offset) == Platt(0.0, 0.0)


def test_logistic_gradient_is_zero_at_the_optimum() -> None:
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(50, 3)), rng.uniform(size=50)
    weights, pull = rng.uniform(0.5, 2, 50), np.array([1.0, 2.0, 0.5, 0.1])
    centre = np.array([0.3, -0.2, 0.0, 0.1])
    beta = fit_logistic(x, targets, weights, centre, pull)
    design = np.column_stack([x, np.ones(50)])
    p = 1 / (1 + np.exp(-design @ beta))
    np.testing.assert_allclose(design.T @ (weights * (p - targets)) + pull * (beta - centre), 0, atol=1e-4)


def test_positive_weights_leave_a_harmful_feature_out() -> None:
    logits, labels = sample(2000, 1.0, 0.0)
    x = np.column_stack([logits, np.random.default_rng(1).normal(0, 1, 2000) - labels])
    weights = fit_weights(x, labels, 1.0, positive=2)
    assert weights[0] > 0
    assert weights[1] == 0


def test_band_keeps_its_error_rates_on_new_files() -> None:
    rng = np.random.default_rng(5)
    reals_wrong, fakes_wrong = [], []
    for _ in range(200):
        labels = np.arange(200) % 2
        odds = rng.normal(np.where(labels == 1, 1.0, -1.0), 1.0)
        low, high = band_of(odds[:100], labels[:100], [str(i) for i in range(100)], 0.1)
        p = 1 / (1 + np.exp(-odds[100:]))
        new = labels[100:]
        reals_wrong.append((p[new == 0] >= high).mean())
        fakes_wrong.append((p[new == 1] < low).mean())
    assert np.mean(reals_wrong) < 0.11
    assert np.mean(fakes_wrong) < 0.11
    assert np.mean(reals_wrong) > 0.05  # and it is not merely silent


def test_band_is_open_where_nothing_can_be_promised() -> None:
    labels = np.array([1] * 5 + [0] * 30)
    odds = np.linspace(-1, 1, 35)
    low, high = band_of(odds, labels, [str(i) for i in range(35)], 0.1)
    assert low == 0.0
    assert 0 < high < 1
    # Thirty files of one person are one group.
    assert band_of(odds, labels, ["same"] * 35, 0.1) == (0.0, 1.0)


def test_band_of_separate_classes_is_one_limit_between_them() -> None:
    odds = np.concatenate([np.full(40, -3.0), np.full(40, 1.0)])
    low, high = band_of(odds, np.repeat([0, 1], 40), [str(i) for i in range(80)], 0.1)
    assert low == high == pytest.approx(to_probability(-1.0), abs=1e-4)
    # Hardly apart, or so near to 0 that the middle cannot be rounded: still between them.
    for reals, fakes in ((-9.001, -9.0), (0.0, 1e-6), (8.0, 8.1)):
        odds = np.repeat([reals, fakes], 40)
        low, high = band_of(odds, np.repeat([0, 1], 40), [str(i) for i in range(80)], 0.1)
        assert to_probability(reals) < low == high <= to_probability(fakes)


@pytest.mark.parametrize("gap", [0.0, 1e-12])
def test_band_of_classes_that_touch_errs_on_neither(gap: float) -> None:
    odds = np.repeat([0.3, 0.3 + gap], 40)
    low, high = band_of(odds, np.repeat([0, 1], 40), [str(i) for i in range(80)], 0.1)
    assert low <= to_probability(0.3) < to_probability(0.3 + gap) + 1e-12 < high < low + 2e-9


def test_a_laxer_rate_never_decides_less() -> None:
    """Also beyond the rate from which on no band is needed."""
    rng = np.random.default_rng(0)
    labels, groups = np.arange(200) % 2, [str(i) for i in range(200)]
    odds = rng.normal(np.where(labels == 1, 2.0, -2.0), 1.0)
    p = 1 / (1 + np.exp(-odds))
    decided = []
    for rate in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4):
        low, high = band_of(odds, labels, groups, rate)
        decided.append(float(((p < low) | (p >= high)).mean()))
        assert (p[labels == 0] >= high).mean() <= rate
        assert (p[labels == 1] < low).mean() <= rate
    assert decided == sorted(decided)
    assert decided[-1] == 1


rows = st.lists(st.tuples(st.floats(-9, 9), st.integers(0, 1), st.integers(0, 9)), min_size=4, max_size=80)


@given(rows, st.sampled_from([0.05, 0.1, 0.3]))
def test_band_is_in_order_and_errs_at_most_as_stated_on_its_own_groups(
    data: list[tuple[float, int, int]], error_rate: float
) -> None:
    odds = np.array([d[0] for d in data])
    labels, groups = np.array([d[1] for d in data]), [str(d[2]) for d in data]
    low, high = band_of(odds, labels, groups, error_rate)
    assert 0 <= low <= high <= 1
    p = 1 / (1 + np.exp(-odds))
    names = np.array(groups)
    for label, wrong in ((0, p >= high), (1, p < low - 1e-9)):
        own = set(names[labels == label])
        shares = [wrong[(names == g) & (labels == label)].mean() for g in own]
        assert sum(shares) <= error_rate * (len(own) + 1) + 1e-9


def test_temperature_is_platt_without_an_offset() -> None:
    logits, labels = sample(20_000, 0.5, 0.0)
    found = fit_platt(logits, labels, offset=False)
    assert found.b == 0.0
    assert found.a == pytest.approx(0.5, rel=0.08)
    shifted = fit_platt(logits + 3.0, labels, offset=False)
    assert shifted.b == 0.0
    assert fit_platt(-logits, labels, offset=False) == Platt(0.0, 0.0)


def test_isotonic_finds_a_step_and_never_claims_certainty() -> None:
    rng = np.random.default_rng(0)
    logits = rng.uniform(-3, 3, 4000)
    truth = np.where(logits < -1, 0.1, np.where(logits < 2, 0.4, 0.9))
    labels = (rng.random(4000) < truth).astype(int)
    found = fit_isotonic(logits, labels)
    balance = (1 - labels.mean()) / labels.mean()  # the fit is for equal priors
    for logit, p in ((-2.0, 0.1), (0.5, 0.4), (2.5, 0.9)):
        wanted = p * balance / (p * balance + 1 - p)
        assert to_probability(found.log_odds(logit)) == pytest.approx(wanted, abs=0.06)
    apart = fit_isotonic(np.arange(10.0), np.repeat([0, 1], 5))
    assert 0.1 < to_probability(apart.log_odds(-99.0)) < to_probability(apart.log_odds(99.0)) < 0.9


def test_weights_are_drawn_to_a_centre() -> None:
    logits, labels = sample(40, 1.0, 0.0)
    x = np.column_stack([logits, np.random.default_rng(0).normal(size=40)])
    centre = np.array([0.3, 0.7])
    np.testing.assert_allclose(fit_weights(x, labels, 1e6, centre=centre)[:2], centre, atol=0.01)
    free = fit_weights(x, labels, np.array([0.0, 1e6]))
    assert free[0] > 0.5
    assert abs(free[1]) < 0.01


def test_each_side_of_the_band_has_its_own_rate() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(4000) % 2
    odds = rng.normal(np.where(labels == 1, 1.0, -1.0), 1.5)
    low, high = band_of(odds, labels, [str(i) for i in range(4000)], 0.05, 0.2)
    p = 1 / (1 + np.exp(-odds))
    assert (p[labels == 0] >= high).mean() == pytest.approx(0.05, abs=0.005)
    assert (p[labels == 1] < low).mean() == pytest.approx(0.2, abs=0.005)
    assert band_of(odds, labels, [str(i) for i in range(4000)], 0.05)[1] == high


def test_files_of_a_group_share_one_vote() -> None:
    """Many files of a few groups must not decide about all: the rate is for a file of a new group."""
    rng = np.random.default_rng(2)
    wrong = []
    for _ in range(300):
        sizes = rng.integers(1, 9, 60)
        groups = np.repeat(np.arange(60), sizes)
        reals = rng.normal(0, 1, 60)[groups] + rng.normal(0, 0.5, len(groups)) + 0.2 * sizes[groups]
        odds, labels = np.append(reals, np.full(30, -9.0)), np.append(np.zeros(len(reals)), np.ones(30))
        names = [*(f"r{g}" for g in groups), *(f"f{i}" for i in range(30))]
        high = band_of(odds, labels.astype(int), names, 0.1)[1]
        size = int(rng.integers(1, 9))
        new = rng.normal() + rng.normal(0, 0.5) + 0.2 * size
        wrong.append(to_probability(new) >= high)
    assert 0.04 < np.mean(wrong) < 0.15
