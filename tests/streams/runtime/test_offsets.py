import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.offsets import WINDOW, OffsetTracker, decode_finished, encode_finished


def tracker(*received: int, start: int = 0) -> OffsetTracker:
    built = OffsetTracker(start)
    for offset in received:
        assert built.receive(offset)
    return built


def test_the_low_water_mark_never_passes_unfinished_work() -> None:
    offsets = tracker(0, 1, 2)
    offsets.finish(1)
    offsets.finish(2)
    assert offsets.low_water == 0
    offsets.finish(0)
    assert offsets.low_water == 3


def test_gaps_left_by_transaction_markers_count_as_nothing() -> None:
    offsets = tracker(5, 9, 12, start=3)
    offsets.finish(5)
    assert offsets.low_water == 9
    offsets.finish(9)
    offsets.finish(12)
    assert offsets.low_water == 13


def test_a_record_delivered_twice_is_taken_once() -> None:
    offsets = tracker(7)
    assert not offsets.receive(7)
    assert not offsets.receive(3)
    assert offsets.unfinished == 1


def test_finishing_what_is_not_open_is_an_error() -> None:
    offsets = tracker(0)
    with pytest.raises(ValueError, match="offset 1 is not open"):
        offsets.finish(1)
    offsets.finish(0)
    with pytest.raises(ValueError, match="offset 0 is not open"):
        offsets.finish(0)


def test_a_successor_skips_what_was_finished_above_the_mark() -> None:
    first = tracker(0, 1, 2, 3)
    first.finish(1)
    first.finish(3)
    second = OffsetTracker(first.low_water, decode_finished(first.low_water, first.metadata()))
    assert [offset for offset in range(4) if second.receive(offset)] == [0, 2]
    second.finish(0)
    assert second.low_water == 2
    second.finish(2)
    assert second.low_water == 4


def test_metadata_for_another_base_is_ignored() -> None:
    text = encode_finished(100, {101, 103})
    assert decode_finished(100, text) == {101, 103}
    assert decode_finished(99, text) == frozenset()


@pytest.mark.parametrize("text", ["", "g1", "g1:0", "g1:0:*", "g2:0:AQ==", "some other client's words"])
def test_foreign_metadata_means_nothing_is_finished(text: str) -> None:
    assert decode_finished(0, text) == frozenset()


def test_a_full_window_fits_into_the_brokers_metadata_limit() -> None:
    finished = range(1, WINDOW)
    assert len(encode_finished(0, finished)) < 4_096 / 2


def test_the_window_is_full_when_unfinished_work_lags_too_far() -> None:
    offsets = OffsetTracker(0, window=4)
    for offset in range(4):
        assert not offsets.full
        offsets.receive(offset)
    assert offsets.full
    offsets.finish(0)
    assert not offsets.full


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60), st.data())
def test_committed_state_always_equals_the_finished_set(steps: list[int], data: st.DataObject) -> None:
    """Whatever finishes in whatever order: a successor redoes exactly the unfinished records."""
    offsets, received, position = OffsetTracker(0), [], 0
    for step in steps:
        position += step
        offsets.receive(position)
        received.append(position)
    done = data.draw(st.lists(st.sampled_from(received), unique=True))
    for offset in done:
        offsets.finish(offset)
    successor = OffsetTracker(offsets.low_water, decode_finished(offsets.low_water, offsets.metadata()))
    redone = [offset for offset in received if offset >= offsets.low_water and successor.receive(offset)]
    assert redone == [offset for offset in received if offset not in done]
    assert offsets.unfinished == len(received) - len(done)


def test_metadata_stays_small_across_a_gap_wider_than_the_window() -> None:
    offsets = tracker(0, 40_000, start=0)
    offsets.finish(40_000)
    assert offsets.metadata() == ""
    near = tracker(0, 8_000, start=0)
    near.finish(8_000)
    assert decode_finished(0, near.metadata()) == {8_000}
