"""Names of keypoints: what is the same in another spelling."""

import re
from collections.abc import Sequence
from typing import NamedTuple

# Words that number keypoints and do not name them, as single letters do.
_NO_NAMES = {'kpt', 'kpts', 'keypoint', 'kp', 'point', 'landmark', 'joint'}
_SIDES = {'l': 'l', 'left': 'l', 'r': 'r', 'right': 'r'}
_OTHER_SIDE = {'l': 'r', 'r': 'l', '': ''}


class Name(NamedTuple):
    """A name without its spelling.

    ``'left_eye'``, ``'L_Eye'``, ``'eyeL'`` and ``'Left eye'`` are all
    ``Name('l', ('eye',))``.
    """

    side: str
    words: tuple[str, ...]

    @property
    def means_something(self) -> bool:
        """Whether it is more than a number."""
        return any(
            len(word) > 1 and not word.isdigit() and word not in _NO_NAMES
            for word in self.words
        )

    @property
    def mirrored(self) -> 'Name':
        """That of the other side; the same if it has none."""
        return Name(_OTHER_SIDE[self.side], self.words)


def parse_name(text: str) -> Name:
    """Takes the side and the words out of a name."""
    words = re.findall(r'[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]+', text)
    words = [word.lower() for word in words]
    side = ''
    for word in ('left', 'right'):
        if words and words[0].startswith(word) and words[0] != word:
            words[:1] = [word, words[0].removeprefix(word)]
    for word in words:
        side = side or _SIDES.get(word, '')
    return Name(side, tuple(w for w in words if w not in _SIDES))


def compare_names(
    theirs: Sequence[str], ours: Sequence[str]
) -> tuple[list[int], list[int]]:
    """Where the names of a file are not those of a data set.

    Args:
        theirs (Sequence[str]): Of the file, in its order.
        ours (Sequence[str]): Of the data set. Only as many as both have are
            compared.

    Returns:
        tuple[list[int], list[int]]: The places whose name belongs to another
        place or to the other side of the body, and those whose names have
        nothing in common.
    """
    own = [parse_name(name) for name in ours]
    misplaced, unlike = [], []
    for place, text in enumerate(theirs[: len(own)]):
        name = parse_name(text)
        if name == own[place] or not (
            name.means_something and own[place].means_something
        ):
            continue
        if name in own or {name.side, own[place].side} == {'l', 'r'}:
            misplaced.append(place)
        elif not _alike(name.words, own[place].words):
            unlike.append(place)
    return misplaced, unlike


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two names have a word, or a part of one, in common."""
    return any(
        a == b if min(len(a), len(b)) < 3 else a in b or b in a
        for a in one
        for b in other
        if not a.isdigit() and not b.isdigit()
    )
