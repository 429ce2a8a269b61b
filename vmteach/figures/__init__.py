"""Pictures of runs: a scene a chapter (plain values), a page that draws scenes, a plain figure of the same."""
