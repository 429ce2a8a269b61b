"""python -m vmteach.handout"""

import sys

from vmteach.handout import main

if __name__ == "__main__":
    sys.exit(main())
