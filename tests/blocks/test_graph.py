"""The block graph: order, wires, and nodes that cannot be added."""

import pytest

from blocks import BlockGraph, D, Node, Port


def wired() -> BlockGraph:
    graph = BlockGraph()
    graph.add(Node("tokens", "input", inputs=(), outputs=(Port("y", "int64"),)))
    graph.add(Node("norm", "add_norm", outputs=(Port("sum"), Port("y"))), "tokens")
    graph.add(Node("add", "add", inputs=(Port("x"), Port("update"))), ("norm", "sum"), "norm")
    return graph


def test_nodes_are_walked_in_the_order_they_were_added() -> None:
    assert [node.path for node in wired().walk()] == ["tokens", "norm", "add"]
    assert wired().node("add").role == "add"


def test_sources_name_the_output_port() -> None:
    graph = wired()
    assert graph.sources("norm") == {"x": ("tokens", "y")}
    assert graph.sources("add") == {"x": ("norm", "sum"), "update": ("norm", "y")}
    assert graph.sources("tokens") == {}


def test_two_wires_between_two_nodes_are_one_edge() -> None:
    graph = wired()
    assert graph.number_of_edges() == 2
    assert graph.edges["norm", "add"]["ports"] == (("sum", "x"), ("y", "update"))


def test_nodes_that_cannot_be_added() -> None:
    with pytest.raises(AssertionError, match="two nodes at norm"):
        wired().add(Node("norm", "norm"), "tokens")
    with pytest.raises(AssertionError, match="late has 1 inputs"):
        wired().add(Node("late", "norm"), "tokens", "add")


def test_ports_show_their_shape() -> None:
    assert str(Port("x", shape=("B", "T", 2 * D))) == "B T 2*D"
    assert str(Port("x")) == "?"
