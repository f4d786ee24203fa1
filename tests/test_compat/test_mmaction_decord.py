import pytest
from damaged_videos import textured, write_damaged

from mmuniformer.compat import mmaction_decord
from mmuniformer.datasets.shapes.videos import write_video

pytestmark = pytest.mark.usefixtures('plain_readers')

READ = """
import sys
import mmuniformer
from mmaction.datasets.transforms import DecordInit
for path in sys.argv[1:]:
    try:
        length = DecordInit()(dict(filename=path))['total_frames']
    except Exception:
        length = 'no'
    print(length, 'frames')
"""


@pytest.fixture(autouse=True)
def libraries():
    pytest.importorskip('mmaction')
    pytest.importorskip('decord')


def cut_avi(path, share):
    """An AVI file of which only the first part is left."""
    import cv2

    frames = textured(60, 160)
    size = frames[0].shape[:2][::-1]
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'XVID'), 25, size
    )
    for frame in frames:
        writer.write(frame)
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def test_a_file_that_is_cut_off_ends_no_process(tmp_path, run_python):
    cut_avi(tmp_path / 'cut.avi', 0.6)
    write_damaged(tmp_path / 'cut.mp4', 'cut, index first')
    paths = [str(tmp_path / name) for name in ('cut.avi', 'cut.mp4')]
    code = f'import sys; sys.argv[1:] = {paths}\n{READ}'
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    # An AVI file says nothing of what is missing.
    first, second = result.stdout.strip().splitlines()[-2:]
    assert 20 < int(first.split()[0]) < 60
    assert second == 'no frames'


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
