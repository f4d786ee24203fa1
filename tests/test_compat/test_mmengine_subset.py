import inspect

from mmengine.dataset import BaseDataset

from mmuniformer.compat import mmengine_subset


class Numbers(BaseDataset):
    def load_data_list(self) -> list[dict]:
        return [dict(number=number) for number in range(6)]


class Add:
    def __init__(self, what: int) -> None:
        self.what = what

    def __call__(self, results: dict) -> dict:
        return dict(results, number=results['number'] + self.what)


def test_a_part_at_the_address_of_a_data_set_that_is_gone():
    """As the table is found when an address is given out again."""
    dataset = Numbers(pipeline=[Add(10)])
    (add,) = dataset.pipeline.transforms
    original = inspect.unwrap(BaseDataset._copy_without_annotation)
    (table,) = original.__defaults__
    gone = Numbers(pipeline=[])
    table[id(add)] = gone
    try:
        # As mmengine has it.
        assert original(dataset).pipeline.transforms == [gone]
        subset = dataset.get_subset([1, 4])
    finally:
        del table[id(add)]
    assert [subset[i]['number'] for i in range(2)] == [11, 14]
    assert subset.pipeline.transforms[0] is not add


def test_nothing_of_a_copy_stays_behind():
    original = inspect.unwrap(BaseDataset._copy_without_annotation)
    (table,) = original.__defaults__
    before = len(table)
    Numbers(pipeline=[Add(1)]).get_subset(2)
    assert len(table) == before


def test_a_table_that_is_given_is_used():
    dataset = Numbers(pipeline=[Add(1)])
    (add,) = dataset.pipeline.transforms
    other = Add(5)
    copy = dataset._copy_without_annotation({id(add): other})
    assert copy.pipeline.transforms == [other]


def test_status():
    assert mmengine_subset.status().state == 'active'
