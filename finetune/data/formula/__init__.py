"""Images that mathematics makes, for pre-training without photographs: ``data.kind: formula``.

============ ===================================================================================================
`exact`      arithmetic and random numbers that are the same on every machine
`lines`      open contours: courses of a pen
`turned`     things with a profile that is the same on both sides of an axis
`solids`     closed contours, filled
`scene`      a turned or a solid thing on a ground, and what stands beside it
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
