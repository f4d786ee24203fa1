"""``python -m mmuniformer COMMAND``."""

import sys

from mmuniformer.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
