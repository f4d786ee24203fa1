"""Reading ahead: order, bounds and ends."""

import itertools
import threading

import pytest

from mmuniformer.prediction.running import _ahead


def counted(number=None):
    """Numbers, and how many of them were asked for."""
    asked = []

    def numbers():
        for value in itertools.count() if number is None else range(number):
            asked.append(value)
            yield value

    return numbers(), asked


@pytest.mark.parametrize('workers', [0, 1, 3])
def test_order_is_kept(workers):
    items, _ = counted(50)
    squares = _ahead(items, lambda value: value * value, workers, 5)
    assert list(squares) == [value * value for value in range(50)]


def test_no_more_is_read_than_is_under_way():
    """Of an endless camera or a folder of any size."""
    items, asked = counted()
    ahead = _ahead(items, lambda value: value, 2, 5)
    assert list(itertools.islice(ahead, 40)) == list(range(40))
    # In the queue, in the hands of the one who asks, and on the way there.
    assert len(asked) <= 40 + 5 + 2
    ahead.close()
    assert not [t for t in threading.enumerate() if 'predict' in t.name]


@pytest.mark.parametrize('workers', [0, 2])
def test_an_error_is_raised_where_its_turn_is(workers):
    items, _ = counted(9)

    def work(value):
        if value == 4:
            raise ZeroDivisionError
        return value

    ahead = _ahead(items, work, workers, 3)
    assert list(itertools.islice(ahead, 4)) == [0, 1, 2, 3]
    with pytest.raises(ZeroDivisionError):
        next(ahead)


def test_an_error_of_what_is_read_is_raised():
    def items():
        yield 1
        raise MemoryError

    ahead = _ahead(items(), str, 2, 3)
    assert next(ahead) == '1'
    with pytest.raises(MemoryError):
        next(ahead)
