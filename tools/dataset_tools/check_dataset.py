#!/usr/bin/env python
"""`mmuniformer check`, as a script."""

import sys

from mmuniformer.cli.main import script

if __name__ == '__main__':
    sys.exit(script('check'))
