"""Values in `params.yaml`: read by dotted key, and written without touching anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from ci.errors import MlopsError
from ci.yaml_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci.contract.columns import Scalar


def read_values(path: Path, shown: str, keys: Mapping[str, Any]) -> dict[str, Scalar]:
    """The values of ``keys``.

    Raises:
        MlopsError: ``no_parameter`` where the file has one not; ``bad_yaml``.
    """
    data = read_yaml(path, shown).data
    return {key: _value(data, key, shown) for key in keys}


def _value(data: Any, key: str, shown: str) -> Scalar:
    for part in key.split("."):
        if not isinstance(data, dict) or part not in data:
            raise MlopsError(
                "no_parameter",
                f"{shown} has no {key}, which model.yaml names; add it there, with the value of "
                "today.",
            )
        data = data[part]
    if not isinstance(data, bool | int | float | str):
        raise MlopsError("no_parameter", f"{shown}: {key} is no single value; name one inside it.")
    return data


def with_values(text: str, values: Mapping[str, Scalar]) -> str:
    """``text`` of a YAML file with other values; comments and layout stay as they are.

    Raises:
        KeyError: a key that is not there.
    """
    for key, value in values.items():
        node = _node(yaml.compose(text, Loader=yaml.SafeLoader), key)
        text = f"{text[: node.start_mark.index]}{written(value)}{text[node.end_mark.index :]}"
    return text


def written(value: Scalar) -> str:
    """``value`` as YAML that every reader takes for the same."""
    return str(yaml.safe_dump(value, width=10_000)).removesuffix("...\n").strip()


def _node(root: Any, key: str) -> Any:
    node = root
    for part in key.split("."):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for name, value in pairs if name.value == part), None)
    if not isinstance(node, yaml.ScalarNode):
        raise KeyError(key)
    return node
