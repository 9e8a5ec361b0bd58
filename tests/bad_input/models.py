"""Bad input: models."""
from tests.bad_input import Row

ROWS: list[Row] = []
