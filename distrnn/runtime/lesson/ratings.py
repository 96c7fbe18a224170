"""What an embedding is, by the smallest network that has one: a rating is the product of a user's vector and an item's.

Nobody says what the five numbers of a vector stand for. They begin at random, and each rating that is known moves the two vectors that make
it a little towards making it: gradient descent on the squared error

    error = user · item - rating        d error² / d user = 2 · error · item        d error² / d item = 2 · error · user

An embedding layer is no more than that: a table whose rows are looked up and learned.

Source: Koren, Bell and Volinsky (2009), Matrix factorization techniques for recommender systems.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ids = npt.NDArray[np.intp]

LEAST, MOST = 0.5, 5.0


def made_ratings(users: int, items: int, *, known: float, seed: int) -> tuple[Ids, Ids, Array]:
    """A table of ratings, in halves from 0.5 to 5: tastes of three kinds, and some whim.

    Shapes: N ratings that are known.

    Args:
        users: how many rate.
        items: how many are rated.
        known: share of the table, 0 to 1.
        seed: of the table.
    Returns:
        whose each is, of what, and the rating: [N] each, in no order.
    """
    generator = np.random.default_rng(seed)
    tastes, kinds = generator.normal(size=(users, 3)), generator.normal(size=(items, 3))
    table = 3.5 + 0.8 * tastes @ kinds.T / np.sqrt(3) + 0.3 * generator.normal(size=(users, items))
    table = np.clip(np.round(2 * table) / 2, LEAST, MOST)
    cells = generator.permutation(users * items)[: round(known * users * items)]
    return cells // items, cells % items, table.ravel()[cells]


def first_vectors(users: int, items: int, *, features: int, seed: int) -> tuple[Array, Array]:
    """Where learning begins: numbers from 0 to 1, [users, features] and [items, features]."""
    generator = np.random.default_rng(seed)
    return generator.random((users, features)), generator.random((items, features))


def rmse(user: Array, item: Array, ratings: tuple[Ids, Ids, Array]) -> float:
    """The root of the mean squared error."""
    users, items, wanted = ratings
    return float(np.sqrt(np.mean((np.sum(user[users] * item[items], axis=1) - wanted) ** 2)))


def learn(user: Array, item: Array, ratings: tuple[Ids, Ids, Array], *, learning_rate: float, epochs: int) -> Iterator[float]:
    """Stochastic gradient descent, one rating a step, in the order given; the vectors are changed in place.

    Args:
        user: [users, F].
        item: [items, F].
        ratings: as `made_ratings` gives them.
        learning_rate: of each step.
        epochs: passes over the ratings.
    Yields:
        the error after each pass, see `rmse`.
    """
    for _ in range(epochs):
        for whose, what, wanted in zip(*ratings, strict=True):
            error = user[whose] @ item[what] - wanted
            by_user, by_item = 2 * error * item[what], 2 * error * user[whose]
            user[whose] -= learning_rate * by_user
            item[what] -= learning_rate * by_item
        yield rmse(user, item, ratings)
