"""Typical wrong answers to the exercises of the tutorials, each with a part of what it must be told: number → [(answer, part of the message)]."""
from tests.wrong_answers import judge, look, ranks, tasks, understand

WRONG = {**look.WRONG, **understand.WRONG, **ranks.WRONG, **judge.WRONG, **tasks.WRONG}
