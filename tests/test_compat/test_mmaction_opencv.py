import numpy as np
import pytest

from mmuniformer.compat import mmaction_opencv


class Reader:
    """A video that states 300 frames and has fewer."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.asked = []

    def __getitem__(self, index: int) -> np.ndarray | None:
        self.asked.append(index)
        if index >= self.length:
            return None
        return np.full((2, 2, 3), index % 256, np.uint8)


def decode(reader: Reader, *indices: int) -> list[int]:
    pytest.importorskip('mmaction')
    from mmaction.datasets.transforms import OpenCVDecode

    results = dict(
        video_reader=reader, frame_inds=np.array(indices), filename='a.mp4'
    )
    return [int(i[0, 0, 0]) for i in OpenCVDecode()(results)['imgs']]


def test_a_frame_or_two_may_be_missing_at_the_end():
    assert decode(Reader(298), 0, 200, 298, 299) == [0, 200, 297 % 256, 41]
    assert mmaction_opencv.status().state == 'active'


@pytest.mark.parametrize('length', [150, 0])
def test_more_are_an_error_after_a_few_attempts(length):
    reader = Reader(length)
    with pytest.raises(EOFError, match='the video has no frame'):
        decode(reader, 299)
    assert len(reader.asked) <= 3


def test_the_first_frame_is_never_replaced_by_the_last():
    reader = Reader(0)
    with pytest.raises(EOFError, match='no frame -1'):
        decode(reader, 0)
    assert -1 not in reader.asked


def test_a_library_without_the_defect_is_left_alone():
    class OpenCVDecode:
        def transform(self, results):
            return results

    module = type('loading', (), {'OpenCVDecode': OpenCVDecode})
    before = OpenCVDecode.transform
    mmaction_opencv._patch(module)
    assert OpenCVDecode.transform is before
