"""A Recipe as YAML that a person reads and that loads as the same recipe."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from finetune.recipe.sections import Recipe
from finetune.recipe.words import number


class _ShortNumbers(SafeRepresenter):
    """``5e-5`` as a person writes it."""

    def represent_float(self, data: float) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:float", number(data))


_ShortNumbers.add_representer(float, _ShortNumbers.represent_float)


def dump_recipe(recipe: Recipe) -> str:
    """Every key with its value, defaults included, a block per section; `load_recipe` gives the same recipe back."""
    blocks = []
    for section, content in recipe.model_dump(mode="json").items():
        if isinstance(content, dict) and content:
            first = [key for key in ("kind", "root") if key in content]
            keys = [f"  {flow(key)}: {flow(content[key])}" for key in dict.fromkeys([*first, *content])]
            blocks.append("\n".join([f"{section}:", *keys]))
        else:
            blocks.append(f"{section}: {flow(content)}")
    return "\n\n".join(blocks) + "\n"


def flow(value: object) -> str:
    """A value on one line, quoted where YAML needs it.

    >>> flow({"num_cycles": 2}), flow("null"), flow([0.9, 5e-5]), flow("a: b"), flow(None)
    ('{num_cycles: 2}', "'null'", '[0.9, 5e-5]', "'a: b'", 'null')
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _ShortNumbers
    for option, choice in _ONE_LINE.items():
        setattr(yaml, option, choice)
    out = io.StringIO()
    yaml.dump([value], out)
    return out.getvalue().strip()[1:-1]


_ONE_LINE = {
    "default_flow_style": True,
    "width": 1 << 20,
    "sort_base_mapping_type_on_output": False,
    "brace_single_entry_mapping_in_flow_sequence": True,  # a lone pair keeps its braces
}
