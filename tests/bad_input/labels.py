"""Bad input: labels."""
from tests.bad_input import Row

ROWS: list[Row] = []
