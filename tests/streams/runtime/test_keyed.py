import random

from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.keyed import KeyedQueues


def test_one_key_runs_one_at_a_time_in_order() -> None:
    queues: KeyedQueues[int] = KeyedQueues()
    assert [queues.add(b"a", item) for item in (1, 2, 3)] == [True, False, False]
    assert [queues.done(b"a"), queues.done(b"a"), queues.done(b"a")] == [2, 3, None]
    assert queues.add(b"a", 4)


def test_other_keys_do_not_wait() -> None:
    queues: KeyedQueues[int] = KeyedQueues()
    assert queues.add(b"a", 1)
    assert queues.add(b"b", 2)


def test_without_a_key_nothing_waits() -> None:
    queues: KeyedQueues[int] = KeyedQueues()
    assert queues.add(None, 1)
    assert queues.add(None, 2)
    assert queues.done(None) is None


@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=40), st.randoms(use_true_random=False))
def test_every_item_runs_once_and_in_the_order_of_its_key(keys: list[bytes], rng: random.Random) -> None:
    queues: KeyedQueues[tuple[bytes, int]] = KeyedQueues()
    running = [item for item in ((key, n) for n, key in enumerate(keys)) if queues.add(item[0], item)]
    finished = []
    while running:
        item = running.pop(rng.randrange(len(running)))
        finished.append(item)
        following = queues.done(item[0])
        if following is not None:
            running.append(following)
    assert len(finished) == len(keys)
    for key in set(keys):
        numbers = [number for of, number in finished if of == key]
        assert numbers == sorted(numbers)
