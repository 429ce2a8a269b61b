"""The old address of predictions, exercises, goals, recall and progress; to go when the last chapter has moved."""

from vmteach.lab.exercise import Exercise, exercise, folds
from vmteach.lab.face import Face
from vmteach.lab.goal import goal
from vmteach.lab.predict import CALM, Compared, predict
from vmteach.lab.progress import progress
from vmteach.lab.recall import recall

__all__ = ["CALM", "Compared", "Exercise", "Face", "exercise", "folds", "goal", "predict", "progress", "recall"]
