import json

import pytest
from damaged_videos import textured

from mmuniformer.compat import mmaction_decord
from mmuniformer.datasets.shapes.videos import write_video


@pytest.fixture(autouse=True)
def libraries():
    pytest.importorskip('mmaction')
    pytest.importorskip('decord')


def test_a_file_that_is_cut_off_ends_no_process(new_interpreter):
    """The conftest cuts an AVI file and an MP4 file."""
    assert new_interpreter.returncode == 0, new_interpreter.stderr
    avi, mp4 = json.loads(new_interpreter.stdout.splitlines()[-1])
    # An AVI file says nothing of what is missing.
    assert 20 < avi < 60
    assert mp4 is None


def test_frames_and_names_are_as_before(tmp_path):
    from mmaction.datasets.transforms import DecordInit

    path = tmp_path / 'a.mp4'
    write_video(path, textured())
    reader = DecordInit()
    ours = reader._get_video_reader(str(path.with_suffix('')))
    wrapper = DecordInit._get_video_reader
    assert mmaction_decord.status().state == 'active'
    theirs = wrapper.__wrapped__(reader, str(path))
    indices = range(len(theirs))
    assert (
        ours.get_batch(indices).asnumpy()
        == theirs.get_batch(indices).asnumpy()
    ).all()


def test_other_storage_is_read_as_before(monkeypatch):
    from mmaction.datasets.transforms import DecordInit

    class Client:
        def get(self, filename):
            raise LookupError(f'asked for {filename}')

    reader = DecordInit(io_backend='petrel')
    reader.file_client = Client()
    with pytest.raises(LookupError, match=r'asked for s3://a\.mp4'):
        reader.transform(dict(filename='s3://a.mp4'))


def test_a_library_without_the_defect_is_left_alone():
    class DecordInit:
        def _get_video_reader(self, filename):
            return filename

    module = type('loading', (), {'DecordInit': DecordInit})
    before = DecordInit._get_video_reader
    mmaction_decord._patch(module)
    assert DecordInit._get_video_reader is before
