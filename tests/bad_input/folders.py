"""Bad input: folders."""
from tests.bad_input import Row

ROWS: list[Row] = []
