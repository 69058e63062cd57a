"""``python -m dfdetect``."""

import sys

from dfdetect.cli.main import main

sys.exit(main())
