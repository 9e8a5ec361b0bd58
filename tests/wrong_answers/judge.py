"""Wrong answers to the exercises whose checks are in `brnpa_nb.exercises.judge`."""
WRONG: dict = {}
