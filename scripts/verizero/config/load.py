"""YAML files into models, and what is wrong with them in one sentence."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from verizero.artifacts.errors import UserError
from verizero.config.model import Section

S = TypeVar("S", bound=Section)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeys(_Loader):  # type: ignore[misc,valid-type]
    """YAML lets a later key silently replace an earlier one; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key `{key}` is there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Raises:
        UserError: absent, no YAML, a key twice, or no mapping.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise UserError(f"{path}, line {line}: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {error}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UserError(f"{path}: holds a {type(data).__name__}; it must hold keys with values")
    return data


def validated(model: type[S], data: Any, path: Path, prefix: str = "") -> S:
    """The data as a model.

    Raises:
        UserError: the first thing that is wrong, with file and key.
    """
    try:
        text = json.dumps(data, default=str)
        return model.model_validate_json(text)
    except ValidationError as error:
        details = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise UserError(f"{path}: {sentence(model, details, data, prefix)}") from None


def sentence(model: type[BaseModel], error: ErrorDetails, data: Any, prefix: str = "") -> str:
    """What is wrong, where, and what would be right."""
    where = _key(prefix, error["loc"], data)
    value = error["input"]
    match error["type"]:
        case "extra_forbidden":
            known = sorted(_fields_at(model, error["loc"][:-1]))
            return f"unknown key `{where}`{_closest(str(error['loc'][-1]), known)}; valid keys here: {', '.join(known)}"
        case "missing":
            return f"`{where}` is missing"
        case "float_type" | "int_type" if isinstance(value, str) and _number(value):
            return (
                f"`{where}` is the text {value!r}, not a number; YAML wants a point in it: write {_with_point(value)}"
            )
        case "literal_error" | "union_tag_invalid":
            context = error.get("ctx", {})
            choices = context.get("expected") or context.get("expected_tags")
            return f"`{where}` is {_tag(error, value)}; valid choices: {choices}"
        case "string_pattern_mismatch":
            return f"`{where}` is {value!r}; a name has lower-case letters, digits and single hyphens"
        case "value_error":
            message = str(error["ctx"]["error"]) if "ctx" in error else error["msg"]
            return f"{where}: {message}" if where else message
        case _:
            shown = repr(value) if not isinstance(value, dict | list) else f"a {type(value).__name__}"
            return f"`{where}` is {shown}; {error['msg'][0].lower()}{error['msg'][1:]}"


def undefined(path: Path, key: str, name: str, choices: list[str]) -> UserError:
    """A name that nothing defines."""
    return UserError(
        f"{path}: `{key}` has `{name}`, which is not defined{_closest(name, choices)}; choices: {', '.join(sorted(choices)) or 'none'}"
    )


def _closest(word: str, known: list[str]) -> str:
    match = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean `{match[0]}`?)" if match else ""


def _key(prefix: str, location: tuple[int | str, ...], data: Any) -> str:
    parts: list[str] = [prefix] if prefix else []
    here = data
    for part in location:
        if isinstance(here, dict) and part not in here and part in {here.get("kind")}:
            continue  # pydantic names the chosen kind of a union, which is no key of the file
        parts.append(str(part))
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            here = None
    return ".".join(parts)


def _tag(error: ErrorDetails, value: Any) -> str:
    return repr(value.get("kind")) if isinstance(value, dict) else repr(value)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _with_point(text: str) -> str:
    mantissa, _, exponent = text.lower().partition("e")
    return f"{mantissa}.0e{exponent}" if exponent and "." not in mantissa else text


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> set[str]:
    """The keys that the model has at a location; union kinds are followed by their name."""
    here: list[Any] = [model]
    for part in location:
        following: list[Any] = []
        for item in here:
            if isinstance(part, int):
                following.append(item)
            elif isinstance(item, type) and issubclass(item, BaseModel) and part in item.model_fields:
                following.extend(_models(item.model_fields[part].annotation))
            elif (
                isinstance(item, type)
                and issubclass(item, BaseModel)
                and "kind" in item.model_fields
                and part in get_args(item.model_fields["kind"].annotation)
            ):
                following.append(item)
        here = following or here
    return {name for item in here for name in item.model_fields}


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]
