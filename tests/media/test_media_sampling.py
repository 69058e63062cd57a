import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.media.sampling import choose, choose_closer, clip_window, midpoints, spread
from dfdetect.settings import Settings

gaps = st.lists(st.floats(0.001, 3.0), min_size=1, max_size=200)
counts = st.integers(1, 64)


def timeline(gaps: list[float]) -> tuple[np.ndarray, float]:
    ends = np.cumsum(gaps)
    return np.concatenate(([0.0], ends[:-1])), float(ends[-1])


@given(gaps, counts)
def test_exactly_as_many_distinct_pictures_as_asked_or_all(gaps, count):
    times, duration = timeline(gaps)
    picks = choose(times, duration, Settings(frames=count))
    assert len(picks) == min(count, len(times))
    assert (np.diff(picks) > 0).all()
    assert picks[0] >= 0
    assert picks[-1] < len(times)


@given(gaps, counts, st.floats(0, 50), st.floats(0.1, 50))
def test_pictures_lie_inside_the_window(gaps, count, start, length):
    times, duration = timeline(gaps)
    picks = choose(times, duration, Settings(frames=count, start=start, end=start + length))
    if start >= duration and start > 0:
        assert not len(picks)
        return
    inside = (times >= start) & (times < start + length)
    assert len(picks) == min(count, inside.sum()) or (not inside.any() and len(picks) == 1)
    if inside.any():
        assert inside[picks].all()
    else:  # the window lies within one picture: that one is shown
        assert times[picks[0]] <= start


@given(gaps, st.floats(0.1, 60))
def test_a_rate_gives_at_most_one_picture_an_interval(gaps, fps):
    times, duration = timeline(gaps)
    picks = choose(times, duration, Settings(fps=fps))
    assert (np.diff(picks) > 0).all()
    assert 1 <= len(picks) <= max(1, round(duration * fps))


def test_midpoints_of_an_even_clip():
    times = np.arange(75) / 25
    picks = choose(times, 3.0, Settings(frames=3))
    assert times[picks].tolist() == [0.48, 1.48, 2.48]  # shown at 0.5, 1.5 and 2.5 s
    assert choose(times, 3.0, Settings(frames=1)).tolist() == [37]


def test_rate_of_an_even_clip():
    times = np.arange(100) / 25
    assert times[choose(times, 4.0, Settings(fps=2))].tolist() == [
        0.24,
        0.72,
        1.24,
        1.72,
        2.24,
        2.72,
        3.24,
        3.72,
    ]
    assert len(choose(times, 4.0, Settings(fps=1000))) == 100


def test_a_low_rate_keeps_to_the_middles():
    times = np.arange(300) / 25
    assert times[choose(times[:100], 4.0, Settings(fps=0.1))].tolist() == [2.0]  # not the last
    assert times[choose(times, 12.0, Settings(fps=0.125))].tolist() == [3.0, 9.0]  # not 4 and the last
    assert times[choose(times[:100], 4.0, Settings(fps=0.1, start=1.0))].tolist() == [2.48]


def test_rate_counts_intervals_and_not_pictures():
    times = np.concatenate((np.arange(25) / 25, 1 + np.arange(5.0)))
    picks = choose(times, 6.0, Settings(fps=10))
    assert len(picks) == 15
    assert (picks[-5:] == np.arange(25, 30)).all()


def test_slow_part_of_a_variable_rate_gives_no_picture_twice():
    times = np.concatenate((np.arange(25) / 25, 1 + np.arange(5) / 5 * 5))
    picks = choose(times, 6.0, Settings(frames=30))
    assert picks.tolist() == list(range(30))


def test_window_beyond_the_end():
    assert clip_window(3.0, 3.0, None) is None
    assert clip_window(3.0, 1.0, 9.0) == (1.0, 3.0)
    assert not len(choose(np.arange(3.0), 3.0, Settings(start=5)))
    assert choose(np.zeros(1), 0.0, Settings(frames=16)).tolist() == [0]


@given(gaps, counts, st.one_of(st.none(), st.floats(0.1, 60)), st.data())
def test_closer_pictures_are_new_and_inside(gaps, count, end, data):
    times, duration = timeline(gaps)
    settings = Settings(frames=8, end=end)
    given_before = choose(times, duration, settings)
    start = data.draw(st.floats(0, duration))
    windows = [(start, start + 1.0), (start + 0.5, start + 2.0)]
    picks = choose_closer(times, windows, count, given_before, settings)
    assert not set(picks) & set(given_before)
    assert (np.diff(picks) > 0).all()
    inside = (times >= start - 1e-6) & (times <= start + 2.0 + 1e-6)
    inside &= times < (end or np.inf)
    assert inside[picks].all()
    inside[given_before] = False
    assert len(picks) == min(count, inside.sum())


@given(st.lists(st.tuples(st.floats(-5, 90), st.floats(0, 20)), max_size=6), counts)
def test_spread_over_windows(pairs, count):
    windows = [(start, start + length) for start, length in pairs]
    times = spread(windows, count, 60.0)
    assert (np.diff(times) >= 0).all()
    assert all(any(a - 1e-9 <= t <= b + 1e-9 for a, b in windows) and 0 <= t <= 60 for t in times.tolist())
    possible = any(min(b, 60.0) >= max(a, 0.0) for a, b in windows)
    assert len(times) == (count if possible else 0)


def test_midpoints_are_increasing_and_inside():
    times = midpoints(2.0, 4.0, 4)
    assert times.tolist() == [2.25, 2.75, 3.25, 3.75]
