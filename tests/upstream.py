"""Warnings are errors in every test, notebook and command, but for these: others' own, each with its reason."""
import builtins
import warnings

UPSTREAM: dict[str, str] = {          # a filter as Python's -W takes it (action:message:category:module) → why nothing can be done here
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning": "NumPy about torch.Tensor, wherever matplotlib is given a tensor",
    "ignore:__array_wrap__ must accept context and return_scalar:DeprecationWarning": "the same",
}


def filters() -> list[str]:
    "In the order in which they are added: a later one is looked at first."
    return ["error", *UPSTREAM]


def strict() -> None:
    "Set them in this process."
    warnings.simplefilter("error")
    for line in UPSTREAM:
        action, message, category, *module = line.split(":")
        warnings.filterwarnings(action, message, getattr(builtins, category), module[0] if module else "")
