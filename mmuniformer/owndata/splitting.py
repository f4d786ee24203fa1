"""Two sides of a data set: by class, by group, the same for the same seed."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from mmuniformer.errors import UserError


def split(
    files: Sequence[str],
    counts: Sequence[Counter],
    share: float,
    seed: int,
    group_by: str | None,
) -> tuple[list[int], list[int]]:
    """Chooses what is trained on and what is not.

    Groups of rare classes come first, and each goes to the side that lacks
    most of their rarest class, so that both sides have all classes in the
    same shares as far as groups allow.

    Args:
        files (Sequence[str]): Of the samples.
        counts (Sequence[Counter]): Classes of each sample.
        share (float): Of training, above 0 and below 1.
        seed (int): Of the order.
        group_by (str, optional): 'folder', or a regular expression whose
            first group names what stays on one side.

    Returns:
        tuple[list[int], list[int]]: Indices of training and of validation, in
        the order of the files.

    Raises:
        UserError: If there is nothing to choose.
    """
    groups = group(files, group_by)
    if len(groups) < 2:
        what = 'sample' if group_by is None else 'group'
        raise UserError(
            f'--split needs at least two {what}s, and there is '
            f'{len(groups)}: {next(iter(groups), "none")}'
        )
    units = [groups[key] for key in sorted(groups)]
    random.Random(seed).shuffle(units)
    # A class that is there in an image, however often: sizes of crowds and
    # of areas differ too much to be shared out.
    present = [
        Counter(name for i in unit for name, n in counts[i].items() if n)
        for unit in units
    ]
    totals = sum(present, Counter())
    sizes = Counter({None: sum(map(len, units))})

    def rarest(number: int) -> str | None:
        return min(present[number], key=lambda n: (totals[n], n), default=None)

    order = sorted(
        range(len(units)),
        key=lambda n: (totals.get(rarest(n), sizes[None]), -len(units[n])),
    )
    wanted = {'train': share, 'val': 1 - share}
    has = {side: Counter() for side in wanted}
    chosen: dict[str, list[int]] = {side: [] for side in wanted}
    for number in order:
        name = rarest(number)
        total = totals[name] if name is not None else sizes[None]

        def lack(side: str, name=name, total=total) -> tuple[float, float]:
            """What a side lacks of the class, then of samples."""
            return (
                wanted[side] * total - has[side][name],
                wanted[side] * sizes[None] - has[side][None],
            )

        side = max(wanted, key=lack)
        has[side] += present[number]
        has[side][None] += len(units[number])
        chosen[side] += units[number]
    for side, other in (('train', 'val'), ('val', 'train')):
        if not chosen[side]:
            smallest = min(units, key=len)
            chosen[side] = smallest
            chosen[other] = [i for i in chosen[other] if i not in smallest]
    return sorted(chosen['train']), sorted(chosen['val'])


def group(files: Sequence[str], group_by: str | None) -> dict[str, list[int]]:
    """Indices of the files by the group that they belong to.

    Args:
        files (Sequence[str]): Below the folder of images.
        group_by (str, optional): See :func:`split`; each is one of its own
            without it.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    if group_by is None:
        for index, file in enumerate(files):
            groups[f'{file} {index}'].append(index)
        return groups
    if group_by == 'folder':
        for index, file in enumerate(files):
            groups[str(PurePosixPath(file).parent)].append(index)
        return groups
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise UserError(
            f'--group-by {group_by}: it is neither folder nor a regular '
            f'expression ({error})'
        ) from error
    for index, file in enumerate(files):
        found = pattern.search(file)
        if found is None:
            raise UserError(
                f'--group-by {group_by}: {file} does not match it; every '
                'file has to belong to a group'
            )
        groups[found.group(1 if pattern.groups else 0)].append(index)
    return groups
