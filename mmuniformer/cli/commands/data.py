"""``mmuniformer data``: from labels as they are to a config."""

import argparse

from mmuniformer.cli.arguments import add_config_arguments

TASKS = ('det', 'ins', 'seg', 'pose', 'cls', 'video')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the subcommands."""
    commands = parser.add_subparsers(
        dest='subcommand', required=True, metavar='SUBCOMMAND'
    )
    new = commands.add_parser(
        'new',
        help='write a config for own data',
        description='Recognises labels, shows what it understood, splits the '
        'data if asked, and writes a config that trains on them. Files of '
        'yours are only read.',
    )
    add = new.add_argument
    add('--task', required=True, choices=TASKS, help='what is learned')
    add('--images', metavar='DIR', help='folder of the images or videos')
    add(
        '--labels',
        metavar='FILE|DIR',
        help='COCO JSON, YOLO label files or data.yaml, VOC XML, label maps, '
        'a list; not needed for folders of classes',
    )
    add('--out', required=True, metavar='FILE.py', help='config to write')
    add(
        '--split',
        type=float,
        dest='share',
        metavar='SHARE',
        help='train on this share and validate on the rest, by class',
    )
    add('--seed', type=int, default=0, help='of the split (default: 0)')
    add(
        '--group-by',
        metavar='folder|PATTERN',
        help='keep files of a folder, or with the same first group of a '
        'regular expression, on one side',
    )
    add('--val-labels', metavar='FILE|DIR', help='labels of validation')
    add('--val-images', metavar='DIR', help='its images, if elsewhere')
    add(
        '--classes',
        metavar='NAMES|FILE',
        help='names between commas or in a file; for label maps also '
        '7=cat,11=dog or a table of colours',
    )
    add(
        '--like',
        default='small',
        metavar='SIZE|CONFIG',
        help='small (default), base, xxs, tiny for a try on a CPU, or a '
        'config of mmuniformer',
    )
    add(
        '--weights',
        metavar='FILE|none',
        help='start from these in place of those of the recipe',
    )
    add('--batch', type=int, help='samples of a step (default: what fits)')
    add(
        '--first-pixel',
        type=int,
        choices=(0, 1),
        help='of VOC: whether pixels are counted from 0 or from 1',
    )
    add(
        '--overwrite',
        action='store_true',
        help='write over the files of an earlier call',
    )

    _add_browse(commands)


def _add_browse(commands: argparse._SubParsersAction) -> None:
    browse = commands.add_parser(
        'browse',
        help='draw what the pipeline of a config gives to the model',
        description='Draws samples of a config with their annotations.',
    )
    add_browsing_arguments(browse)


def add_browsing_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds which samples are drawn, and where."""
    add_config_arguments(parser)
    parser.add_argument(
        '--phase',
        choices=['train', 'val', 'test'],
        default='train',
        help='which dataloader (default: train)',
    )
    parser.add_argument(
        '--mode',
        choices=['transformed', 'original', 'pipeline'],
        default='transformed',
        help='what the model gets (default), what the files hold, or each '
        'step between them',
    )
    parser.add_argument(
        '--number',
        type=int,
        default=10,
        metavar='N',
        help='how many samples (default: 10)',
    )
    parser.add_argument(
        '--out-dir',
        metavar='DIR',
        help='folder for the pictures (default: work_dirs/CONFIG NAME/browse)',
    )
    parser.add_argument(
        '--show', action='store_true', help='show each picture in a window'
    )
    parser.add_argument(
        '--no-check',
        action='store_false',
        dest='check',
        help='do not look at annotations and images first',
    )


def run(arguments: argparse.Namespace) -> None:
    """Runs the subcommand."""
    options = vars(arguments)
    if options.pop('subcommand') == 'browse':
        from mmuniformer.apis import browse

        browse(**options)
        return
    from mmuniformer.apis.own_data import new_data

    new_data(**options)
