"""A kernel changelog as a course: twelve patches of Linux 2.4.23aa2, modelled.

Import what you need from the modules; this one imports nothing, so that it costs nothing.
"""

__version__ = "0.1.0"
