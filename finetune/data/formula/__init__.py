"""Images that mathematics makes, for pre-training without photographs: ``data.kind: formula``.

============ ===================================================================================================
`exact`      arithmetic and random numbers that are the same on every machine
`lines`      open contours: courses of a pen
`solids`     closed contours, filled, on a ground
`fractals`   attractors of random contractions
`families`   which of these a family is made of
`names`      what an image is called in the place of a path; whoever decodes a path draws it
`rows`       the adapter
============ ===================================================================================================
"""

from finetune.data.formula.families import FAMILIES, draw
from finetune.data.formula.names import FormulaName, draw_named, is_formula, parse_name
from finetune.data.formula.rows import read_formula

__all__ = ["FAMILIES", "FormulaName", "draw", "draw_named", "is_formula", "parse_name", "read_formula"]
