"""Makes the models: a classifier of two values, and a convolution that finds edges."""

import os
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(name, nodes, given, answer, weights):
    constants = [numpy_helper.from_array(numpy.asarray(value, numpy.float32), key) for key, value in weights.items()]
    graph = helper.make_graph(nodes, name, [given], [answer], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    onnx.save(made, os.path.join(sys.argv[1], f"{name}.onnx"))


def tensor(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


os.makedirs(sys.argv[1], exist_ok=True)
model(
    "classes",
    [helper.make_node("Gemm", ["x", "w", "b"], ["z"]), helper.make_node("Softmax", ["z"], ["y"])],
    tensor("x", "n", 2),
    tensor("y", "n", 2),
    {"w": [[1, -1], [-1, 1]], "b": [0, 0]},
)
model(
    "edges",
    [
        helper.make_node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["y"]),
    ],
    tensor("x", 1, 1, "h", "w"),
    tensor("y", 1, 1, 1, 1),
    {"k": [[[[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]]]},
)
model(
    "sequence",
    [helper.make_node("LSTM", ["x", "w", "r"], ["y", "h"], hidden_size=1)],
    tensor("x", "s", 1, 1),
    tensor("h", 1, 1, 1),
    {"w": [[[1]] * 4], "r": [[[1]] * 4]},
)
