#!/usr/bin/env python
"""`mmuniformer train`, as a script."""

import sys

from mmuniformer.cli.main import script

if __name__ == '__main__':
    sys.exit(script('train'))
