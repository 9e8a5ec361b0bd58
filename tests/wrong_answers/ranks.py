"""Wrong answers to the exercises whose checks are in `brnpa_nb.exercises.ranks`."""
WRONG: dict = {}
