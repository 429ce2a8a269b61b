"""Page reclaim of 2.4.23 to 2.4.27: the rules to be read, and the machinery for runs of pages."""
