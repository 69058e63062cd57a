"""Weighted figures: a weight of three must say what three copies of the file say."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfdetect.evaluate import weighted
from dfdetect.evaluate.weighted import Draws, Interval, Roc

rows = st.lists(
    st.tuples(st.booleans(), st.integers(-4, 4), st.integers(0, 3)), min_size=2, max_size=30
).filter(lambda found: {fake for fake, _, count in found if count} == {True, False})


def arrays(found: list[tuple[bool, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    fake, score, count = (np.array(column) for column in zip(*found, strict=True))
    return fake.astype(bool), score.astype(float), count.astype(float)


def auc_of(
    labels: np.ndarray, scores: np.ndarray, groups: list[str], rng: np.random.Generator, draws: int
) -> Interval:
    files, drawn = np.arange(len(labels)), Draws.of(groups, rng, draws)
    return drawn.intervals(files, lambda w: {"auc": Roc.of(labels == 1, scores, w).auc()})["auc"]


def auc_one_at_a_time(
    labels: np.ndarray, scores: np.ndarray, groups: list[str], rng: np.random.Generator, draws: int
) -> tuple[float, float, float]:
    """The same by drawing files instead of weights; without ends where most draws lack a class."""
    names = sorted(set(groups))

    def auc(files: np.ndarray) -> float:
        fakes, reals = scores[files][labels[files] == 1], scores[files][labels[files] == 0]
        higher = np.sign(fakes[:, None] - reals[None, :])
        return float((higher.mean() + 1) / 2) if higher.size else np.nan

    found = []
    for _ in range(draws):
        chosen = [names[i] for i in rng.integers(len(names), size=len(names))]
        found.append(auc(np.concatenate([np.flatnonzero(np.array(groups) == name) for name in chosen])))
    enough = draws and np.isfinite(found).mean() >= 0.5 and np.nanmax(found) - np.nanmin(found) > 1e-12
    low, high = np.nanquantile(found, [0.025, 0.975]) if enough else (np.nan, np.nan)
    return auc(np.arange(len(labels))), low, high


@settings(deadline=None, max_examples=60)
@given(rows)
def test_a_weight_is_so_many_copies(found: list[tuple[bool, int, int]]) -> None:
    fake, score, count = arrays(found)
    many = np.repeat(np.arange(len(fake)), count.astype(int))
    once = np.ones((1, len(many)))
    # A second row of weights must not disturb the first.
    weights = np.stack([count, np.ones(len(fake))])
    one, copied = Roc.of(fake, score, weights), Roc.of(fake[many], score[many], once)
    for figure in (
        Roc.auc,
        Roc.average_precision,
        Roc.eer,
        lambda roc: roc.tpr_at_fpr(0.2),
        lambda roc: roc.fpr_at_tpr(0.95),
    ):
        assert figure(one)[0] == pytest.approx(figure(copied)[0])
    probability = 1 / (1 + np.exp(-score))
    level = weighted.balanced(fake, weights)
    level_copied = weighted.balanced(fake[many], once)
    assert level.sum(axis=1) == pytest.approx(1)
    assert weighted.brier(fake, probability, level)[0] == pytest.approx(
        weighted.brier(fake[many], probability[many], level_copied)[0]
    )
    other = np.arange(len(fake)) % 3 * 1.0
    assert weighted.rank_correlation(score, other, weights)[0] == pytest.approx(
        weighted.rank_correlation(score[many], other[many], once)[0], abs=1e-7
    )


@settings(deadline=None, max_examples=60)
@given(rows)
def test_figures_are_those_of_scikit_learn_and_scipy(found: list[tuple[bool, int, int]]) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    stats = pytest.importorskip("scipy.stats")
    fake, score, count = arrays(found)
    roc = Roc.of(fake, score, count[None, :])
    assert roc.auc()[0] == pytest.approx(sklearn.roc_auc_score(fake, score, sample_weight=count))
    expected = sklearn.average_precision_score(fake, score, sample_weight=count)
    assert roc.average_precision()[0] == pytest.approx(expected)
    many = np.repeat(np.arange(len(fake)), count.astype(int))
    if len(set(score[many])) > 1:
        rank = weighted.rank_correlation(score, fake.astype(float), count[None, :])[0]
        assert rank == pytest.approx(stats.spearmanr(score[many], fake[many]).statistic)


def test_a_draw_without_a_class_gives_no_figure() -> None:
    fake, score = np.array([True, True, False]), np.array([1.0, 2.0, 3.0])
    weights = np.array([[1.0, 1, 1], [2, 1, 0], [0, 0, 3]])
    roc = Roc.of(fake, score, weights)
    found = [roc.auc(), roc.average_precision(), roc.eer(), roc.tpr_at_fpr(0.1), roc.fpr_at_tpr(0.9)]
    for figure in found:
        assert np.isfinite(figure[0])
        assert np.isnan(figure[1:]).all()


def test_the_vectorised_bootstrap_is_that_of_one_draw_at_a_time() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(300) % 2
    scores = labels + rng.normal(0, 1, 300)
    groups = [f"g{i // 6}" for i in range(300)]
    one = auc_one_at_a_time(labels, scores, groups, np.random.default_rng(4), 200)
    many = auc_of(labels, scores, groups, np.random.default_rng(4), 200)
    assert (many.value, many.low, many.high) == pytest.approx(one)
    assert many.groups == 50


def test_whole_groups_are_drawn() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 2
    scores = labels + rng.normal(0, 1, 400)
    alone = auc_of(labels, scores, [str(i) for i in range(400)], np.random.default_rng(2), 300)
    grouped, again = (
        auc_of(labels, scores, [str(i // 40) for i in range(400)], np.random.default_rng(2), 300)
        for _ in range(2)
    )
    assert (alone.groups, grouped.groups) == (400, 10)
    assert grouped == again
    assert alone.low < alone.value < alone.high
    assert 0.03 < alone.high - alone.low < 0.15
    # The same files copied say nothing new: the interval must not shrink.
    labels, scores = np.tile(labels, 4), np.tile(scores, 4)
    copied = auc_of(labels, scores, [str(i % 400) for i in range(1600)], np.random.default_rng(2), 300)
    assert copied.high - copied.low > 0.8 * (alone.high - alone.low)


def test_parts_of_draws_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = Draws.of([str(i % 7) for i in range(20)], np.random.default_rng(0), 30)
    files = np.arange(20)
    whole = draws.values(files, lambda w: {"sum": w.sum(axis=1)})["sum"]
    monkeypatch.setattr(weighted, "_CELLS", 60)
    assert len(list(draws.weights(files))) > 5
    assert (draws.values(files, lambda w: {"sum": w.sum(axis=1)})["sum"] == whole).all()
    assert whole[0] == 20


def test_none_of_many_still_has_an_upper_bound() -> None:
    draws = Draws.of([str(i) for i in range(10)], np.random.default_rng(0), 40)
    none = draws.share(np.arange(10), np.zeros(10, bool))
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(0.3085, abs=1e-4)  # Clopper-Pearson for 0 of 10
    everything = draws.share(np.arange(10), np.ones(10, bool))
    assert everything.low == pytest.approx(1 - none.high)
    some = draws.share(np.arange(10), np.arange(10) < 3)
    assert some.value == pytest.approx(0.3)
    assert 0 <= some.low < some.value < some.high < 1


def test_one_group_gives_no_interval() -> None:
    found = auc_of(np.arange(20) % 2, np.arange(20.0), ["one"] * 20, np.random.default_rng(0), 40)
    assert found.value == pytest.approx(0.55)
    assert np.isnan([found.low, found.high]).all()


def test_a_rank_correlation_needs_no_file_in_every_draw() -> None:
    a, weights = np.arange(4.0), np.array([[1.0, 1, 1, 1], [0, 0, 0, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = weighted.rank_correlation(a, a, weights)
    assert found[0] == pytest.approx(1)
    assert np.isnan(found[1])


@pytest.mark.parametrize(("count", "fakes"), [(200, 100), (1000, 500), (200, 20), (200, 180)])
def test_the_ece_by_chance_is_that_of_a_calibrated_model(count: int, fakes: int) -> None:
    """Also where fakes are few and weigh more: their weights count."""
    rng = np.random.default_rng(5)
    found, by_chance = [], []
    for _ in range(30):
        p = rng.uniform(0, 1, 40 * count)
        fake = rng.random(len(p)) < p
        drawn = np.concatenate([np.flatnonzero(fake)[:fakes], np.flatnonzero(~fake)[: count - fakes]])
        level = weighted.balanced(fake[drawn], np.ones((1, count)))
        found.append(weighted.ece(fake[drawn], p[drawn], level)[0])
        by_chance.append(weighted.ece_by_chance(p[drawn], level[0], rng, 50))
    assert np.mean(by_chance) == pytest.approx(np.mean(found), rel=0.08)


@pytest.mark.parametrize("values", [1, 2, 7, 40])
def test_equal_probabilities_are_never_told_apart(values: int) -> None:
    """No calibration figure depends on the order of the files, and those that tie share a bin."""
    rng = np.random.default_rng(values)
    p = rng.integers(1, values + 1, 300) / (values + 1)
    fake = rng.random(300) < 0.3
    found = []
    for order in (np.argsort(fake), np.argsort(~fake), *(rng.permutation(300) for _ in range(4))):
        level = weighted.balanced(fake[order], np.ones((1, 300)))
        found.append(
            (
                weighted.ece(fake[order], p[order], level)[0],
                weighted.ece_by_chance(p[order], level[0], np.random.default_rng(0)),
            )
        )
    assert len(set(found)) == 1
    if values == 1:
        assert found[0][0] == pytest.approx(0.0, abs=1e-12), "at prior one half, all at .5"
    places = weighted.mass_bins(np.sort(p), np.full((1, 300), 1 / 300), 15)[0]
    assert len(set(zip(np.sort(p).tolist(), places.tolist(), strict=True))) == len(set(p.tolist()))
    assert (np.diff(places) >= 0).all()


def test_bins_of_different_probabilities_hold_the_same_mass() -> None:
    rng = np.random.default_rng(0)
    p, weights = np.sort(rng.random(90)), np.full((1, 90), 1 / 90)
    assert np.bincount(weighted.mass_bins(p, weights, 15)[0]).tolist() == [6] * 15
    assert weighted.mass_bins(np.empty(0), np.empty((1, 0)), 15).shape == (1, 0)


def test_the_ece_by_chance_depends_on_the_seed_alone() -> None:
    p, weights = np.linspace(0.01, 0.99, 50), np.full(50, 1 / 50)
    one, again, other = (
        weighted.ece_by_chance(p, weights, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert one == again != other
    # Nothing is left to chance where the model is sure of itself.
    assert weighted.ece_by_chance(np.round(p), weights, np.random.default_rng(0)) == 0


def test_draws_that_do_not_differ_give_no_interval() -> None:
    """All fakes above all reals: the draws cannot tell how far from 1 the AUC of others is."""
    labels, scores, groups = (
        np.arange(20) % 2,
        np.arange(20) % 2 + 0.01 * np.arange(20),
        list(map(str, range(20))),
    )
    found = auc_of(labels, scores, groups, np.random.default_rng(0), 40)
    assert (found.value, found.groups) == (pytest.approx(1), 20)
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_few_draws_that_may_lack_a_class(count: int) -> None:
    """Three files, of which one is fake: most draws, or just half of them, lack a class."""
    labels, scores, groups = np.array([1, 0, 0]), np.array([1.0, 0.0, 2.0]), ["a", "b", "c"]
    for seed in range(20):
        many = auc_of(labels, scores, groups, np.random.default_rng(seed), count)
        one = auc_one_at_a_time(labels, scores, groups, np.random.default_rng(seed), count)
        np.testing.assert_allclose([many.value, many.low, many.high], one)
