"""Bad input: arguments."""
from tests.bad_input import Row

ROWS: list[Row] = []
