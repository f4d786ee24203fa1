"""What each data set of mmpose reads of an annotation and of an image."""

from dataclasses import dataclass, replace

from mmuniformer.checks.data_sets import DataSet


@dataclass(frozen=True)
class Form:
    """Keys of a file in COCO's form.

    Attributes:
        points (dict[str, int]): Keys with three numbers a keypoint, and how
            many keypoints each has; 0 for all of the data set.
        keys (tuple[str, ...]): Others that every annotation has to have.
        box (str): Key of (x, y, width, height); empty if a box is not read.
        flag (str): Key that says whether the points are there; may be empty.
        passes (tuple[str, ...]): Keys without which an annotation is passed
            over; without others the run ends.
        clips (bool): Whether boxes are cut off at the border of the image.
        image (tuple[str, ...]): Keys of an image.
        categories (bool): Whether each annotation needs its category where
            the file has categories.
        text_ids (bool): Whether ids of images may be text.
        counted (str): Key of the number of visible keypoints; empty if it is
            not read.
    """

    points: dict[str, int]
    keys: tuple[str, ...] = ()
    box: str = 'bbox'
    flag: str = ''
    passes: tuple[str, ...] = ()
    clips: bool = True
    image: tuple[str, ...] = ('file_name', 'width', 'height')
    categories: bool = True
    text_ids: bool = False
    counted: str = ''


_ALL = {'keypoints': 0}
_OPTIONAL = ('bbox', 'keypoints')
_BODY = Form(
    _ALL, ('category_id',), passes=_OPTIONAL, counted='num_keypoints'
)  # fmt: skip
_FACE = Form(
    _ALL,
    ('center', 'scale', 'num_keypoints'),
    box='',
    clips=False,
    image=('file_name',),
    counted='num_keypoints',
)
_INSECT = Form(
    _ALL,
    ('num_keypoints',),
    box='',
    clips=False,
    image=('file_name',),
    counted='num_keypoints',
)
# Keypoints of COCO-WholeBody by key.
PARTS = {
    'keypoints': 17, 'foot_kpts': 6, 'face_kpts': 68,
    'lefthand_kpts': 21, 'righthand_kpts': 21,
}  # fmt: skip
# By the class whose methods read the annotations. Each is read in one way,
# but hands in two: an annotation has one of each side.
_FORMS = {
    'BaseCocoStyleDataset': (_BODY,),
    'AFLWDataset': (_FACE,),
    'Face300WDataset': (_FACE,),
    'Face300VWDataset': (_FACE,),
    'WFLWDataset': (_FACE,),
    'LocustDataset': (_INSECT,),
    'ZebraDataset': (_INSECT,),
    'JhmdbDataset': (Form(_ALL),),
    'PanopticHand2DDataset': (Form(_ALL, ('segmentation', 'head_size')),),
    'FreiHandDataset': (
        Form(
            _ALL,
            ('segmentation',),
            box='',
            clips=False,
            image=('file_name',),
        ),
    ),
    'HumanArt21Dataset': (
        Form(
            {'keypoints_21': 0},
            ('category_id',),
            passes=_OPTIONAL,
            counted='num_keypoints',
        ),
    ),
    'PoseTrack18VideoDataset': (
        Form(
            _ALL,
            ('num_keypoints',),
            passes=_OPTIONAL,
            image=('file_name', 'width', 'height', 'frame_id', 'nframes'),
            counted='num_keypoints',
        ),
    ),
    'MpiiTrbDataset': (
        Form(
            _ALL,
            ('center', 'scale', 'num_joints', 'iscrowd'),
            box='',
            clips=False,
            image=('file_name',),
            categories=False,
            text_ids=True,
            counted='num_joints',
        ),
    ),
    'CocoWholeBodyDataset': (
        Form(
            PARTS,
            ('category_id', 'num_keypoints', 'segmentation'),
            counted='num_keypoints',
        ),
    ),
    'CocoWholeBodyFaceDataset': (
        Form({'face_kpts': 0}, box='face_box', flag='face_valid'),
    ),
    'CocoWholeBodyHandDataset': tuple(
        Form(
            {f'{side}hand_kpts': 0},
            ('segmentation',),
            box=f'{side}hand_box',
            flag=f'{side}hand_valid',
            clips=False,
            image=('file_name',),
            text_ids=True,
        )
        for side in ('left', 'right')
    ),
}  # fmt: skip
_READERS = ('parse_data_info', '_load_annotations', 'load_data_list')


def forms_of(data_set: DataSet) -> tuple[Form, ...]:
    """How a data set reads its file; none if that is not known.

    A class of a user's own is read like the one whose methods it inherits.
    """
    kind = data_set.kind
    for base in kind.__mro__:
        forms = _FORMS.get(base.__name__)
        if forms and base.__module__.startswith('mmpose.'):
            same = all(
                getattr(kind, name) is getattr(base, name) for name in _READERS
            )
            return _in_phase(forms, base, data_set) if same else ()
    return ()


def _in_phase(
    forms: tuple[Form, ...], base: type, data_set: DataSet
) -> tuple[Form, ...]:
    """A test on AFLW divides by the size of its boxes."""
    if base.__name__ != 'AFLWDataset' or not data_set.node.get('test_mode'):
        return forms
    return tuple(replace(f, keys=(*f.keys, 'box_size')) for f in forms)
