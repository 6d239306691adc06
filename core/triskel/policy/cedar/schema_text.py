"""Cedar's human-readable schema syntax to `Schema`.

One rule: it reads only what the reference implementation has already accepted, and knows no more than it needs.
Grammar: https://docs.cedarpolicy.com/schema/human-readable-schema-grammar.html
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from triskel.policy.cedar.schema import EXTENSIONS, PRIMITIVES, ActionType, Attribute, EntityType, Schema, SchemaInvalid, Type
from triskel.policy.cedar.values import Uid

_TOKEN = re.compile(r'\s+|//[^\n]*|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>::|.)', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_SIMPLE_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_MAX_DEPTH = 16


def parse_schema(text: str) -> Schema:
    """The schema. Raises SchemaInvalid for what this reader does not know."""
    return _Resolver(_Reader(text).declarations()).schema()


def unquoted(literal: str) -> str:
    """The string that a Cedar string literal, quotes included, stands for."""

    def replaced(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        return chr(int(code, 16)) if code else _SIMPLE_ESCAPES.get(match[3], match[3])

    return _ESCAPE.sub(replaced, literal[1:-1])


class _Declared:
    """What the text says, before names are resolved: (namespace, body) by name."""

    def __init__(self) -> None:
        self.entities: dict[str, tuple[str, dict[str, Any]]] = {}
        self.types: dict[str, tuple[str, Any]] = {}
        self.actions: dict[Uid, tuple[str, dict[str, Any]]] = {}


class _Reader:
    """A recursive descent over the tokens. Types stay as written: a name, ("Set", type) or ("Record", attributes)."""

    def __init__(self, text: str) -> None:
        self._tokens = [m[0] for m in _TOKEN.finditer(text) if m.lastgroup is not None]
        self._at = 0
        self._declared = _Declared()

    def declarations(self) -> _Declared:
        """All that the text declares. Raises SchemaInvalid."""
        while self._at < len(self._tokens):
            self._annotations()
            if self._take("namespace"):
                namespace = self._path()
                self._expect("{")
                while not self._take("}"):
                    self._declaration(namespace)
            else:
                self._declaration("")
        return self._declared

    def _declaration(self, namespace: str) -> None:
        self._annotations()
        word = self._next()
        if word == "entity":
            self._entity(namespace)
        elif word == "action":
            self._action(namespace)
        elif word == "type":
            name = self._next()
            self._expect("=")
            self._declared.types[_qualified(namespace, name)] = (namespace, self._type(0))
        else:
            raise SchemaInvalid(f"`{word}` begins no declaration")
        self._expect(";")

    def _entity(self, namespace: str) -> None:
        names = self._list(self._next)
        body: dict[str, Any] = {"parents": [], "attributes": {}}
        if self._take("enum"):
            body["ids"] = [unquoted(item) for item in self._bracketed(self._next)]
        if self._take("in"):
            body["parents"] = self._bracketed(self._path)
        if self._take("=") or self._peek() == "{":
            body["attributes"] = self._record(0)
        if self._take("tags"):
            body["tags"] = self._type(0)
        for name in names:
            self._declared.entities[_qualified(namespace, name)] = (namespace, body)

    def _action(self, namespace: str) -> None:
        names = [self._name() for _ in [0]]
        while self._take(","):
            names.append(self._name())
        body: dict[str, Any] = {"groups": [], "principal": [], "resource": [], "context": {}}
        if self._take("in"):
            body["groups"] = self._bracketed(self._reference)
        if self._take("appliesTo"):
            self._expect("{")
            while not self._take("}"):
                part = self._next()
                self._expect(":")
                body[part] = self._type(0) if part == "context" else self._bracketed(self._path)
                self._take(",")
        for name in names:
            self._declared.actions[Uid(_qualified(namespace, "Action"), name)] = (namespace, body)

    def _reference(self) -> tuple[str, str]:
        """An action group: `"name"`, `name` or `Namespace::Action::"name"`."""
        parts = [self._next()]
        while self._take("::"):
            parts.append(self._next())
        name = parts.pop()
        return "::".join(parts), unquoted(name) if name.startswith('"') else name

    def _type(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise SchemaInvalid(f"a type is nested more than {_MAX_DEPTH} levels deep")
        if self._peek() == "{":
            return ("Record", self._record(depth))
        name = self._path()
        if name == "Set" and self._take("<"):
            element = self._type(depth + 1)
            self._expect(">")
            return ("Set", element)
        return name

    def _record(self, depth: int) -> dict[str, tuple[Any, bool, bool]]:
        attributes = {}
        self._expect("{")
        while not self._take("}"):
            late = "late" in self._annotations()
            name = self._name()
            required = not self._take("?")
            self._expect(":")
            attributes[name] = (self._type(depth + 1), required, late)
            self._take(",")
        return attributes

    def _annotations(self) -> set[str]:
        found = set()
        while self._take("@"):
            found.add(self._next())
            if self._take("("):
                self._next()
                self._expect(")")
        return found

    def _name(self) -> str:
        token = self._next()
        return unquoted(token) if token.startswith('"') else token

    def _path(self) -> str:
        parts = [self._next()]
        while self._take("::"):
            parts.append(self._next())
        return "::".join(parts)

    def _bracketed(self, item: Callable[[], Any]) -> list[Any]:
        if not self._take("["):
            return [item()]
        if self._take("]"):
            return []
        items = self._list(item)
        self._expect("]")
        return items

    def _list(self, item: Callable[[], Any]) -> list[Any]:
        items = [item()]
        while self._take(","):
            if self._peek() == "]":
                break
            items.append(item())
        return items

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise SchemaInvalid("the schema ends too early")
        self._at += 1
        return token

    def _take(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._at += 1
        return True

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise SchemaInvalid(f"expected `{token}`, found `{found}`")


class _Resolver:
    """Names to what they stand for: a common type before an entity type before a primitive, own namespace first."""

    def __init__(self, declared: _Declared) -> None:
        self._declared = declared

    def schema(self) -> Schema:
        """The schema. Raises SchemaInvalid for a name that stands for nothing."""
        declared = self._declared
        entities = {name: self._entity(*entry) for name, entry in declared.entities.items()}
        actions = {uid: self._action(uid, *entry) for uid, entry in declared.actions.items()}
        return Schema(entities, actions)

    def _entity(self, namespace: str, body: dict[str, Any]) -> EntityType:
        return EntityType(
            parents=tuple(self._entity_name(namespace, name) for name in body["parents"]),
            attributes=self._attributes(namespace, body["attributes"], 0),
            tags=self._type(namespace, body["tags"], 0) if "tags" in body else None,
            ids=tuple(body["ids"]) if "ids" in body else None,
        )

    def _action(self, uid: Uid, namespace: str, body: dict[str, Any]) -> ActionType:
        context = self._type(namespace, body["context"], 0).attributes if body["context"] else {}
        return ActionType(
            principals=tuple(self._entity_name(namespace, name) for name in body["principal"]),
            resources=tuple(self._entity_name(namespace, name) for name in body["resource"]),
            context=context or {},
            ancestors=frozenset(self._groups(uid)),
        )

    def _groups(self, uid: Uid, depth: int = 0) -> Iterator[Uid]:
        if depth > _MAX_DEPTH or uid not in self._declared.actions:
            raise SchemaInvalid(f"{uid} is in a group that is not declared, or in itself")
        namespace, body = self._declared.actions[uid]
        for kind, name in body["groups"]:
            kinds = (_qualified(namespace, kind or "Action"), kind)
            group = next((Uid(k, name) for k in kinds if Uid(k, name) in self._declared.actions), Uid(kind, name))
            yield group
            yield from self._groups(group, depth + 1)

    def _entity_name(self, namespace: str, name: str) -> str:
        for candidate in (_qualified(namespace, name), name):
            if candidate in self._declared.entities:
                return candidate
        raise SchemaInvalid(f"no entity type `{name}`")

    def _attributes(self, namespace: str, attributes: dict[str, Any], depth: int) -> dict[str, Attribute]:
        return {
            name: Attribute(self._type(namespace, kind, depth), required, late)
            for name, (kind, required, late) in attributes.items()
        }

    def _type(self, namespace: str, written: Any, depth: int) -> Type:
        if depth > _MAX_DEPTH:
            raise SchemaInvalid(f"a type is nested more than {_MAX_DEPTH} levels deep")
        if isinstance(written, tuple):
            kind, body = written
            if kind == "Set":
                return Type("Set", element=self._type(namespace, body, depth + 1))
            return Type("Record", attributes=self._attributes(namespace, body, depth + 1))
        for candidate in (_qualified(namespace, written), written):
            if candidate in self._declared.types:
                home, body = self._declared.types[candidate]
                return self._type(home, body, depth + 1)
            if candidate in self._declared.entities:
                return Type("Entity", entity=candidate)
        name = written.removeprefix("__cedar::")
        name = {"Boolean": "Bool"}.get(name, name)
        if name in PRIMITIVES or name in EXTENSIONS:
            return Type(name)
        raise SchemaInvalid(f"no type `{written}`")


def _qualified(namespace: str, name: str) -> str:
    return f"{namespace}::{name}" if namespace else name
