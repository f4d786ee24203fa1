"""Arguments of the scripts that look into a model."""

from argparse import ArgumentParser


def add_models(parser: ArgumentParser, out: str, several: bool) -> None:
    """Adds what is looked at, by which models, and where to.

    Args:
        parser (ArgumentParser): Gets them.
        out (str): Name of the picture.
        several (bool): Whether several models are drawn beside each other.
    """
    more = dict(nargs='+') if several else {}
    if several:
        # Behind it, a photo would be taken for another model.
        parser.usage = (
            '%(prog)s SOURCE [SOURCE ...] --model MODEL [MODEL ...] [options]'
        )
    parser.add_argument(
        'sources',
        nargs='+',
        metavar='SOURCE',
        help='photos, folders, globs or links; videos for a video model',
    )
    parser.add_argument(
        '--model',
        required=True,
        help='a config, or a checkpoint with its config in it'
        + ('; several are drawn beside each other' if several else ''),
        **more,
    )
    parser.add_argument(
        '--weights',
        metavar='CHECKPOINT',
        help='its checkpoint, where --model is a config',
        **more,
    )
    add_out(parser, out)


def add_out(parser: ArgumentParser, out: str) -> None:
    """Adds where the picture is written, and the device."""
    parser.add_argument(
        '--out',
        default=out,
        metavar='FILE.png',
        help=f'file to write (default: {out})',
    )
    parser.add_argument(
        '--device', help='such as cuda:1 (default: that of this machine)'
    )


def add_pose_arguments(parser: ArgumentParser) -> None:
    """Adds where a pose model looks for people."""
    parser.add_argument(
        '--detector',
        metavar='MODEL',
        help='finds the boxes for a pose model (default: each image is one)',
    )
    parser.add_argument(
        '--boxes',
        metavar='FILE.json',
        help='boxes for a pose model, as COCO has them',
    )
