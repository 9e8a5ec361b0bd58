"""Wrong answers to the exercises whose checks are in `brnpa_nb.exercises.understand`."""


def last_of_equals(activity):
    flat = activity.flatten()
    return int((flat == flat.max()).nonzero()[-1])


WRONG: dict = {
    "4.1": [
        (lambda activity: int(activity.argmin()), "the seed of a 4 × 4 grid"),
        (lambda activity: activity.max(), "whole number"),
        (last_of_equals, "take the first"),
    ],
}
