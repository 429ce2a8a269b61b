"""The pictures of four chapters as bitmaps, until the explorer draws their scenes."""
