"""What a reader works with in a notebook: the explorer, predictions, exercises, goals, recall questions, progress."""
