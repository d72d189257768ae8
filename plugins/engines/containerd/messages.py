"""Protocol buffers' messages from a table, so that no generated code is needed for the few fields that we read.

A table has a line for each field, as a ``.proto`` file has it: ``"repeated Container containers = 1"``. Enumerations
are written as int32, which is what travels. Fields that a table leaves out are passed over (protobuf.dev, proto3,
"Unknown Fields").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

Table = Mapping[str, Sequence[str]]
"""The fields of each message, by its name."""

_FIELD = re.compile(r"(?P<repeated>repeated )?(?P<type>\w+|map<string, string>) (?P<name>\w+) = (?P<number>\d+)")
_PACKAGE = "cntr"  # names do not travel
_SCALARS = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "string": FieldDescriptorProto.TYPE_STRING,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
}


def message_types(table: Table) -> dict[str, Any]:
    """The class of each message in `table`, by its name; tables do not know each other."""
    file = FileDescriptorProto(name="cntr.proto", package=_PACKAGE, syntax="proto3")
    for name, lines in table.items():
        message = file.message_type.add(name=name)
        for line in lines:
            _add_field(message, line)
    pool = DescriptorPool()
    pool.Add(file)
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in table}


def _add_field(message: DescriptorProto, line: str) -> None:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise ValueError(f"no field of a message: {line!r}")
    field = message.field.add(name=match["name"], number=int(match["number"]))
    is_map = match["type"].startswith("map<")
    repeated = match["repeated"] or is_map
    field.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
    if match["type"] in _SCALARS:
        field.type = _SCALARS[match["type"]]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{_add_map(message, match['name']) if is_map else match['type']}"


def _add_map(message: DescriptorProto, field: str) -> str:
    """A map is a repeated message with a key and a value (protobuf.dev, "Maps: Backwards Compatibility")."""
    name = "".join(word.capitalize() for word in field.split("_")) + "Entry"
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    for line in ("string key = 1", "string value = 2"):
        _add_field(entry, line)
    return f"{message.name}.{name}"
