#!/usr/bin/env python
"""``mmuniformer reproduce``: the tables of the paper, measured again."""

import sys

from mmuniformer.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['reproduce', *sys.argv[1:]]))
