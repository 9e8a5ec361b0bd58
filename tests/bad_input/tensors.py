"""Bad input: tensors."""
from tests.bad_input import Row

ROWS: list[Row] = []
