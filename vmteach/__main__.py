"""python -m vmteach"""

import sys

from vmteach.command import main

if __name__ == "__main__":
    sys.exit(main())
