"""The articulated figure: 17 COCO keypoints and the limbs between them."""

import numpy as np

from mmuniformer.datasets.shapes.scene import Part

KEYPOINTS = (
    'nose',
    'left_eye',
    'right_eye',
    'left_ear',
    'right_ear',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
)
# Pairs counted from 1, as COCO files have them.
SKELETON = (
    (16, 14),
    (14, 12),
    (17, 15),
    (15, 13),
    (12, 13),
    (6, 12),
    (7, 13),
    (6, 7),
    (6, 8),
    (7, 9),
    (8, 10),
    (9, 11),
    (2, 3),
    (1, 2),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
    (5, 7),
)

# Proportions in units of the body height; x to the right, y down, origin
# between the hips.
_HEAD = np.array([0.0, -0.43])
_HEAD_RADIUS = 0.105
_DOWN = np.array([0.0, 0.018])  # from there to the middle of the face
_SHOULDER, _HIP = np.array([0.125, -0.29]), np.array([0.075, 0.0])
_UPPER_ARM, _FOREARM, _THIGH, _SHIN = 0.17, 0.16, 0.23, 0.22
_ARM_RADIUS, _LEG_RADIUS = 0.034, 0.044


def disc(centre: np.ndarray, radius: float, steps: int = 32) -> np.ndarray:
    """Vertices of a circle, (steps, 2)."""
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return centre + radius * np.stack([np.cos(angle), np.sin(angle)], 1)


def capsule(start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """Vertices of a segment thickened by ``radius``, with round ends."""
    x, y = end - start
    turn = np.arctan2(y, x) + np.linspace(-np.pi / 2, np.pi / 2, 9)
    arc = radius * np.stack([np.cos(turn), np.sin(turn)], 1)
    return np.concatenate([end + arc, start - arc])


def _bent(start, length, angle, next_length, bend, side):
    """Joint and end of a limb; angles from straight down, outwards."""
    outwards = np.array([side, 1.0])
    joint = start + length * outwards * [np.sin(angle), np.cos(angle)]
    angle = angle + bend
    end = joint + next_length * outwards * [np.sin(angle), np.cos(angle)]
    return joint, end


def sample_figure(
    rng: np.random.Generator,
    centre: np.ndarray,
    height: float,
    shirt: np.ndarray,
    trousers: np.ndarray,
) -> tuple[tuple[Part, ...], np.ndarray]:
    """A figure in a random pose, seen from the front or from behind.

    Args:
        rng: Source of the pose.
        centre: (2,) the point between the hips.
        height: Length from head to ankle of the upright figure.
        shirt: (3,) colour of torso and upper arms.
        trousers: (3,) colour of the legs.

    Returns:
        The parts, and (17, 3) keypoints: x, y, and 0 for nose and eyes of a
        figure that turns its back, else 1.
    """
    from_behind = rng.random() < 0.25
    points = {}
    # Facing the viewer, the left side is on the right of the picture.
    for name, side in (('left', 1.0), ('right', -1.0)):
        if from_behind:
            side = -side
        mirror = np.array([side, 1.0])
        shoulder, hip = _SHOULDER * mirror, _HIP * mirror
        elbow, wrist = _bent(
            shoulder,
            _UPPER_ARM,
            rng.uniform(0.15, 2.7),
            _FOREARM,
            rng.uniform(-0.9, 1.1),
            side,
        )
        knee, ankle = _bent(
            hip,
            _THIGH,
            rng.uniform(0.0, 0.75),
            _SHIN,
            rng.uniform(-0.7, 0.15),
            side,
        )
        points |= {
            f'{name}_shoulder': shoulder,
            f'{name}_elbow': elbow,
            f'{name}_wrist': wrist,
            f'{name}_hip': hip,
            f'{name}_knee': knee,
            f'{name}_ankle': ankle,
            f'{name}_eye': _HEAD + mirror * [0.042, -0.025],
            f'{name}_ear': _HEAD + mirror * [0.092, 0.0],
        }
    points['nose'] = _HEAD + _DOWN
    look = np.array([rng.uniform(-0.025, 0.025), rng.uniform(-0.015, 0.015)])
    for name in ('nose', 'left_eye', 'right_eye'):
        points[name] = points[name] + look

    tilt = rng.normal(0, 0.2)
    rotation = np.array(
        [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    )

    def place(xy):
        return centre + height * np.asarray(xy) @ rotation.T

    points = {name: place(xy) for name, xy in points.items()}
    head, radius = place(_HEAD), _HEAD_RADIUS * height
    skin = np.array([0.93, 0.74, 0.58]) * rng.uniform(0.4, 1.05)
    hair = rng.uniform(0.05, 0.45) * np.array([1.0, 0.8, 0.6])

    parts = []
    for name in ('left', 'right'):
        for start, end in (('hip', 'knee'), ('knee', 'ankle')):
            limb = capsule(
                points[f'{name}_{start}'],
                points[f'{name}_{end}'],
                _LEG_RADIUS * height,
            )
            parts.append(Part(limb, trousers))
    torso = [[-0.155, -0.32], [0.155, -0.32], [0.115, 0.03], [-0.115, 0.03]]
    parts.append(Part(place(torso), shirt))
    neck = capsule(place([0, -0.33]), head, 0.04 * height)
    parts.append(Part(neck, skin))
    for name in ('left', 'right'):
        for start, end, colour in (
            ('elbow', 'wrist', skin),
            ('shoulder', 'elbow', shirt * 0.9),
        ):
            limb = capsule(
                points[f'{name}_{start}'],
                points[f'{name}_{end}'],
                _ARM_RADIUS * height,
            )
            parts.append(Part(limb, colour))
    for name in ('left', 'right'):
        parts.append(Part(disc(points[f'{name}_ear'], radius * 0.28), skin))
    if from_behind:
        parts.append(Part(disc(head, radius), hair))
    else:
        crown = place(_HEAD - [0.0, 0.012])
        parts.append(Part(disc(crown, radius), hair))
        face = place(_HEAD + _DOWN)
        parts.append(Part(disc(face, radius * 0.86), skin))
        for name in ('left_eye', 'right_eye'):
            parts.append(Part(disc(points[name], radius * 0.17), skin * 0.12))
        parts.append(Part(disc(points['nose'], radius * 0.15), skin * 0.6))

    keypoints = np.ones((len(KEYPOINTS), 3))
    keypoints[:, :2] = [points[name] for name in KEYPOINTS]
    if from_behind:
        keypoints[:3, 2] = 0
    return tuple(parts), keypoints
