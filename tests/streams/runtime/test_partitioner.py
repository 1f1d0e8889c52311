from aiokafka.partitioner import murmur2 as aiokafkas_murmur2
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.partitioner import murmur2, partition_for


@given(st.binary(max_size=80))
def test_the_hash_is_the_one_kafkas_clients_use(key: bytes) -> None:
    assert murmur2(key) == aiokafkas_murmur2(key)


def test_known_keys_lie_where_kafkas_own_tests_say() -> None:
    # The vectors of Apache Kafka's UtilsTest.testMurmur2, which are signed.
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
             b"abc": 479470107}  # fmt: skip
    assert {key: murmur2(key) for key in known} == {key: value & 0xFFFFFFFF for key, value in known.items()}


@given(st.binary(max_size=40), st.integers(1, 64))
def test_every_key_has_a_partition(key: bytes, partitions: int) -> None:
    assert 0 <= partition_for(key, partitions) < partitions
