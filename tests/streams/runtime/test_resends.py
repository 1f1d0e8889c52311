from streams.runtime.resends import Resends


def test_the_same_work_at_a_later_offset_is_a_resend() -> None:
    resends = Resends()
    assert not resends.is_resend(b"a", 10)
    assert resends.is_resend(b"a", 11)
    assert not resends.is_resend(b"b", 12)


def test_a_record_delivered_again_is_no_resend_of_itself() -> None:
    resends = Resends()
    assert not resends.is_resend(b"a", 10)
    assert not resends.is_resend(b"a", 10)


def test_memory_is_bounded_by_the_horizon() -> None:
    resends = Resends(horizon=2)
    for offset, identity in enumerate((b"a", b"b", b"c")):
        assert not resends.is_resend(identity, offset)
    assert resends.is_resend(b"c", 4)
    assert not resends.is_resend(b"a", 5)


def test_a_resend_of_a_resend_is_known_as_long_as_the_last_one_is_within_the_horizon() -> None:
    resends = Resends(horizon=2)
    assert not resends.is_resend(b"a", 0)
    assert not resends.is_resend(b"b", 1)
    assert resends.is_resend(b"a", 2)
    assert not resends.is_resend(b"c", 3)
    assert resends.is_resend(b"a", 4)
