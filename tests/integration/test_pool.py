"""The pool of actors: what it does where the cluster cannot place all of them."""

import pytest
import ray

from distrnn.cluster.pool import ActorPool

pytestmark = pytest.mark.usefixtures("local_ray")


@ray.remote(num_cpus=1)
class Doubler:
    def double(self, number):
        return 2 * number


def test_actors_that_find_no_place_keep_nobody_waiting():
    with ActorPool(lambda: Doubler.remote(), 5) as pool:
        assert pool.run("double", [(number,) for number in range(20)], lambda _number, _result: None) == [2 * n for n in range(20)]


def test_a_pool_does_one_kind_of_task_after_another():
    with ActorPool(lambda: Doubler.remote(), 2) as pool:
        told = []
        pool.run("double", [(1,), (2,)], lambda number, result: told.append((number, result)))
        assert pool.run("double", [], lambda *_: None) == []
        assert pool.run("double", [(7,)], lambda *_: None) == [14]
    assert sorted(told) == [(0, 2), (1, 4)]
