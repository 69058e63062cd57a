"""Metrics against scikit-learn, by hand, and in what must hold for any scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from sklearn.metrics import log_loss as sk_log_loss
from sklearn.metrics import roc_auc_score

from dfdetect.evaluate import metrics

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.7, 0.4, 0.6, 0.8, 0.9])
ALIKE = np.ones(8)

both = st.lists(st.tuples(st.integers(0, 1), st.integers(-5, 5)), min_size=2, max_size=40).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


@settings(deadline=None)
@given(both)
def test_auc_is_that_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], float)
    assert metrics.auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    assert metrics.auc(labels, -scores) == pytest.approx(1 - metrics.auc(labels, scores))


def test_figures_by_hand() -> None:
    assert metrics.auc(LABELS, SCORES) == pytest.approx(14 / 16)
    assert metrics.eer(LABELS, SCORES) == pytest.approx(0.25)
    assert metrics.tpr_at_fpr(LABELS, SCORES, 0.05) == pytest.approx(0.5)
    assert metrics.tpr_at_fpr(LABELS, SCORES, 0.25) == pytest.approx(1.0)
    assert metrics.brier(LABELS, SCORES, ALIKE) == pytest.approx(np.mean((SCORES - LABELS) ** 2))
    assert metrics.log_loss(LABELS, SCORES, ALIKE) == pytest.approx(sk_log_loss(LABELS, SCORES))


def test_perfect_and_useless_scores() -> None:
    assert metrics.eer(LABELS, LABELS.astype(float)) == 0
    assert metrics.tpr_at_fpr(LABELS, LABELS.astype(float), 0.01) == 1
    constant = np.zeros(8)
    assert metrics.auc(LABELS, constant) == 0.5
    assert metrics.eer(LABELS, constant) == pytest.approx(0.5)
    assert metrics.tpr_at_fpr(LABELS, constant, 0.05) == 0


@pytest.mark.parametrize("labels", [np.zeros(5, int), np.ones(5, int)])
def test_one_class_gives_no_figure(labels: np.ndarray) -> None:
    scores = np.arange(5.0)
    for figure in (metrics.auc, metrics.eer, metrics.average_precision):
        assert math.isnan(figure(labels, scores))


@settings(deadline=None)
@given(both)
def test_rates_stay_in_range(rows: list[tuple[int, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], float)
    assert 0 <= metrics.eer(labels, scores) <= 1
    assert metrics.tpr_at_fpr(labels, scores, 0.01) <= metrics.tpr_at_fpr(labels, scores, 0.3)


def test_ece_sees_miscalibration_and_prior() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 20_000)
    labels = (rng.random(20_000) < p).astype(int)
    alike = np.ones(20_000)
    assert metrics.ece(labels, p, alike) < 0.02
    assert metrics.ece(labels, np.clip(p + 0.2, 0, 1), alike) > 0.15
    # Nine of ten reals left out: calibrated at prior one half, so only balanced weights show it.
    kept = (labels == 1) | (rng.random(20_000) < 0.1)
    labels, p = labels[kept], p[kept]
    assert metrics.ece(labels, p, np.ones(len(p))) > 0.15
    assert metrics.ece(labels, p, metrics.balanced_weights(labels)) < 0.03


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


def test_bootstrap_draws_groups() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 2
    scores = labels + rng.normal(0, 1, 400)

    def statistic(i: np.ndarray) -> float:
        return metrics.auc(labels[i], scores[i])

    alone = metrics.bootstrap(statistic, [str(i) for i in range(400)], np.random.default_rng(2), 300)
    grouped = metrics.bootstrap(statistic, [str(i // 40) for i in range(400)], np.random.default_rng(2), 300)
    again = metrics.bootstrap(statistic, [str(i // 40) for i in range(400)], np.random.default_rng(2), 300)
    assert (alone.groups, grouped.groups) == (400, 10)
    assert grouped == again
    assert alone.low < alone.value < alone.high
    assert 0.03 < alone.high - alone.low < 0.15
    # The same files copied say nothing new: the interval must not shrink.
    labels, scores = np.tile(labels, 4), np.tile(scores, 4)
    copied = metrics.bootstrap(statistic, [str(i % 400) for i in range(1600)], np.random.default_rng(2), 300)
    assert copied.high - copied.low > 0.8 * (alone.high - alone.low)


def test_bootstrap_without_a_class() -> None:
    labels, scores = np.ones(6, int), np.arange(6.0)
    found = metrics.bootstrap(
        lambda i: metrics.auc(labels[i], scores[i]), list("abcdef"), np.random.default_rng(0), 20
    )
    assert math.isnan(found.value)
    assert math.isnan(found.low)


def test_measure_holds_it_all() -> None:
    found = metrics.measure(LABELS, SCORES, SCORES, list("abcdefgh"), np.random.default_rng(0), draws=50)
    assert (found.files, found.fakes) == (8, 4)
    assert found.auc.value == pytest.approx(14 / 16)
    assert found.auc.low <= found.auc.value <= found.auc.high
