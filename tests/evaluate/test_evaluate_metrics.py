"""Metrics against scikit-learn, by hand, and in what must hold for any scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.metrics import log_loss as sk_log_loss

from dfdetect.evaluate import metrics, weighted

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.7, 0.4, 0.6, 0.8, 0.9])

both = st.lists(st.tuples(st.integers(0, 1), st.integers(-5, 5)), min_size=2, max_size=40).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def measured(labels: np.ndarray, scores: np.ndarray, draws: int = 0) -> metrics.Measures:
    """The figures of scores that are probabilities, each file a group of its own."""
    groups = [str(i) for i in range(len(labels))]
    return metrics.measure(labels, scores, scores, groups, np.random.default_rng(0), draws)


@settings(deadline=None)
@given(both)
def test_auc_is_that_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], float)
    assert metrics.auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    assert metrics.auc(labels, -scores) == pytest.approx(1 - metrics.auc(labels, scores))


def test_figures_by_hand() -> None:
    found = measured(LABELS, SCORES, draws=50)
    assert (found.files, found.fakes) == (8, 4)
    assert found.auc.value == pytest.approx(14 / 16)
    assert found.auc.low <= found.auc.value <= found.auc.high
    assert found.auc.groups == 4, "of the class that has fewer"
    assert found.average_precision == pytest.approx(average_precision_score(LABELS, SCORES))
    assert found.eer == pytest.approx(0.25)
    assert (found.tpr_at_fpr_1, found.tpr_at_fpr_5) == (0.5, 0.5)
    assert found.brier == pytest.approx(np.mean((SCORES - LABELS) ** 2))
    assert found.log_loss == pytest.approx(sk_log_loss(LABELS, SCORES))


def test_perfect_and_useless_scores() -> None:
    perfect, useless = measured(LABELS, LABELS.astype(float)), measured(LABELS, np.zeros(8))
    assert (perfect.auc.value, perfect.eer, perfect.tpr_at_fpr_1) == (1, 0, 1)
    assert (useless.auc.value, useless.tpr_at_fpr_5) == (0.5, 0)
    assert useless.eer == pytest.approx(0.5)


@pytest.mark.parametrize("labels", [np.zeros(5, int), np.ones(5, int)])
def test_one_class_gives_no_figure_of_two(labels: np.ndarray) -> None:
    scores = np.linspace(0, 1, 5)
    found = measured(labels, scores, draws=20)
    for figure in (found.auc.value, found.auc.low, found.average_precision, found.eer, found.tpr_at_fpr_1):
        assert math.isnan(figure)
    assert math.isnan(metrics.auc(labels, scores))
    assert found.brier == pytest.approx(np.mean((scores - labels) ** 2))


@settings(deadline=None)
@given(both)
def test_rates_stay_in_range(rows: list[tuple[int, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], float)
    found = measured(labels, scores)
    assert 0 <= found.eer <= 1
    assert 0 <= found.tpr_at_fpr_1 <= found.tpr_at_fpr_5 <= 1


def test_ece_sees_miscalibration_and_prior() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 20_000)
    labels = (rng.random(20_000) < p).astype(int)
    assert measured(labels, p).ece < 0.02
    assert measured(labels, np.clip(p + 0.2, 0, 1)).ece > 0.15
    # Nine of ten reals left out: calibrated at prior one half, so only balanced weights show it.
    kept = (labels == 1) | (rng.random(20_000) < 0.1)
    labels, p = labels[kept], p[kept]
    assert weighted.ece(labels == 1, p, np.full((1, len(p)), 1 / len(p)))[0] > 0.15
    assert measured(labels, p).ece < 0.03


def test_rank_correlation_counts_ties_by_their_mean() -> None:
    a = np.array([1.0, 2.0, 2.0, 3.0])
    assert metrics.spearman(a, a * 5) == pytest.approx(1.0)
    assert metrics.spearman(a, -a) == pytest.approx(-1.0)
    assert metrics.spearman(a, np.full(4, 0.1)) == 0.0


def test_balanced_weights() -> None:
    labels = np.array([1, 0, 0, 0])
    weights = metrics.balanced_weights(labels)
    assert weights.sum() == pytest.approx(4)
    assert weights[labels == 1].sum() == pytest.approx(weights[labels == 0].sum())
