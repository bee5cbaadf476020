"""Look-ups and building shared by :mod:`sonar.lab.quantise.graph`. Needs ``onnx``."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

SLICE_END = 2**31  # to the end, however long


class Graph:
    """Who reads what in a ``ModelProto``'s graph, as it was when this was made."""

    def __init__(self, model: Any) -> None:
        self.proto = model.graph
        self._initializers = {item.name: item for item in self.proto.initializer}
        self._outputs = {output.name for output in self.proto.output}

    def nodes(self, kind: str) -> list[Any]:
        return [node for node in self.proto.node if node.op_type == kind]

    def users(self, node: Any) -> list[Any]:
        """Who reads the node's first output; nobody where it is also an output of the model."""
        if node.output[0] in self._outputs:
            return []
        return [user for user in self.proto.node if node.output[0] in user.input]

    def follow(self, node: Any, count: int) -> Iterator[Any]:
        """The next ``count`` nodes as long as each is the only user of the one before."""
        for _ in range(count):
            users = self.users(node)
            if len(users) != 1:
                return
            node = users[0]
            yield node

    def constant(self, name: str) -> NDArray[Any] | None:
        item = self._initializers.get(name)
        return None if item is None else np.asarray(numpy_helper.to_array(item))

    def need(self, name: str) -> NDArray[Any]:
        return np.asarray(numpy_helper.to_array(self._initializers[name]))


class Builder:
    """New nodes and constants with names of their own."""

    def __init__(self, graph: Graph, prefix: str) -> None:
        self.nodes: list[Any] = []
        self._graph = graph
        self._prefix = prefix
        self._constants = 0

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{self._prefix}/{len(self.nodes)}_{kind}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{name}_node", **attributes))
        return name

    def constant(self, value: NDArray[Any]) -> str:
        name = f"{self._prefix}/constant_{self._constants}"
        self._constants += 1
        self._graph.proto.initializer.append(
            numpy_helper.from_array(np.ascontiguousarray(value), name)
        )
        return name

    def slice(self, source: str, start: int, end: int | None, axis: int) -> str:
        """``source[start:end]`` along ``axis``; an end of None is the end."""
        numbers = (start, SLICE_END if end is None else end, axis)
        return self.node(
            "Slice", source, *(self.constant(np.array([n], np.int64)) for n in numbers)
        )


def attributes(node: Any) -> dict[str, Any]:
    """By name."""
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def attribute(node: Any, name: str, default: Any) -> Any:
    """One attribute, or ``default`` where the node does not have it."""
    return attributes(node).get(name, default)


def set_ints(node: Any, name: str, values: NDArray[Any]) -> None:
    """Give a node a list of whole numbers as attribute."""
    for item in list(node.attribute):
        if item.name == name:
            node.attribute.remove(item)
    node.attribute.append(helper.make_attribute(name, [int(value) for value in values]))


def below_resize(model: Any) -> set[str]:
    """The tensors on whose way from the image there is an interpolation: MiDaS's decoder."""
    found: set[str] = set()
    for node in model.graph.node:
        if node.op_type == "Resize" or not found.isdisjoint(node.input):
            found.update(node.output)
    return found


def drop_unread_constants(model: Any) -> None:
    """Take out of a ``ModelProto`` the initializers that no node reads, in place."""
    read = {name for node in model.graph.node for name in node.input}
    for item in list(model.graph.initializer):
        if item.name not in read:
            model.graph.initializer.remove(item)
