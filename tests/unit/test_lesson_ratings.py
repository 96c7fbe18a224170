"""Two tables of vectors learn to make ratings."""

import numpy as np
import pytest

from distrnn.runtime.lesson.ratings import LEAST, MOST, first_vectors, learn, made_ratings, rmse

USERS, ITEMS, FEATURES = 15, 15, 5


def table():
    return made_ratings(USERS, ITEMS, known=0.75, seed=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_error_falls_from_above_two_to_below_the_published_one(seed):
    vectors = first_vectors(USERS, ITEMS, features=FEATURES, seed=seed)
    assert 2.0 < rmse(*vectors, table()) < 3.0
    *_, last = learn(*vectors, table(), learning_rate=0.01, epochs=60)
    assert last < 0.4


def test_ratings_are_halves_within_bounds_and_each_is_known_once():
    users, items, ratings = table()
    assert len(ratings) == round(0.75 * USERS * ITEMS)
    assert len(set(zip(users.tolist(), items.tolist(), strict=True))) == len(ratings)
    assert ((ratings >= LEAST) & (ratings <= MOST) & (2 * ratings % 1 == 0)).all()


def test_a_step_goes_down_the_slope_of_the_squared_error():
    """One step with a tiny rate moves every number by the rate times its derivative, as finite differences have it."""
    user, item = first_vectors(2, 2, features=3, seed=1)
    one, rate, little = (np.array([1]), np.array([0]), np.array([4.0])), 1e-6, 1e-6

    def squared(user, item):
        return rmse(user, item, one) ** 2

    moved = [user.copy(), item.copy()]
    list(learn(*moved, one, learning_rate=rate, epochs=1))
    for which, before in enumerate((user, item)):
        for place in np.ndindex(before.shape):
            up, down = [user.copy(), item.copy()], [user.copy(), item.copy()]
            up[which][place] += little
            down[which][place] -= little
            slope = (squared(*up) - squared(*down)) / (2 * little)
            assert (before[place] - moved[which][place]) / rate == pytest.approx(slope, abs=1e-4)
