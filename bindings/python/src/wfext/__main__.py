"""`python -m wfext` is the command `wfext`: where the folder of its script is not in PATH, and to choose the Python."""

import sys

from .cli import main

sys.exit(main())
