"""Bad input: photographs."""
from tests.bad_input import Row

ROWS: list[Row] = []
