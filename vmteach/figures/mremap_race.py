"""placeholder"""

from vmteach.figures.old.mremap_race import *  # noqa
from vmteach.figures.old.mremap_race import fill, layout, reach, COLUMNS  # noqa
