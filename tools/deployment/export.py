#!/usr/bin/env python
"""`mmuniformer export`, as a script."""

import sys

from mmuniformer.cli.main import script

if __name__ == '__main__':
    sys.exit(script('export'))
