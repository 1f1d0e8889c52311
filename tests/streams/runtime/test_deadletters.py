from streams.runtime.deadletters import DeadLetterLimit, DeadLetterWatch


def test_a_long_run_of_dead_letters_stops_the_stage() -> None:
    watch = DeadLetterWatch(DeadLetterLimit(run=3, share=1.0, window=100))
    assert [watch.note(dead=True) for _ in range(2)] == [None, None]
    assert "3 records in a row" in (watch.note(dead=True) or "")


def test_a_good_record_ends_the_run() -> None:
    watch = DeadLetterWatch(DeadLetterLimit(run=2, share=1.0, window=100))
    for dead in (True, False, True, False, True):
        assert watch.note(dead=dead) is None


def test_too_large_a_share_stops_the_stage_once_the_window_is_full() -> None:
    watch = DeadLetterWatch(DeadLetterLimit(run=1_000, share=0.2, window=10))
    said = [watch.note(dead=n % 3 == 0) for n in range(10)]
    assert said[:9] == [None] * 9
    assert "4 of the last 10" in (said[9] or "")


def test_a_share_below_the_limit_goes_on() -> None:
    watch = DeadLetterWatch(DeadLetterLimit(run=1_000, share=0.2, window=10))
    assert all(watch.note(dead=n % 10 == 0) is None for n in range(100))
