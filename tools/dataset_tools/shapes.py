"""Generate the "shapes" data set: COCO instances, keypoints, semantic maps."""

import argparse
from pathlib import Path

from rich.console import Console


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        '--out', type=Path, default='data/shapes', help='folder to write'
    )
    parser.add_argument(
        '--train', type=int, default=600, help='training pictures'
    )
    parser.add_argument(
        '--val', type=int, default=100, help='validation pictures'
    )
    parser.add_argument(
        '--size', type=int, default=160, help='width and height in pixels'
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--force',
        action='store_true',
        help='replace a shapes data set that is there',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from mmuniformer.datasets.shapes import generate

    try:
        written = generate(**vars(args))
    except (ValueError, OSError) as error:
        raise SystemExit(f'shapes.py: {error}') from None
    except KeyboardInterrupt:
        raise SystemExit('shapes.py: interrupted, nothing written') from None
    what = f'{args.train} + {args.val} pictures of {args.size} px'
    state = 'written' if written else 'already there'
    Console().print(f'{args.out}: {what}, seed {args.seed}, {state}')


if __name__ == '__main__':
    main()
