"""``python -m perfuse``."""

import sys

from perfuse.cli import main

sys.exit(main())
