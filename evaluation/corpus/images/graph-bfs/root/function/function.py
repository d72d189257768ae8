"""Breadth-first search: {"size": N, "model": …, "from": N}."""

import os
import random

import igraph


def graph(event):
    size = event.get("size", 100)
    random.seed(event.get("seed", 42))
    model = event.get("model", "barabasi")
    if model == "barabasi":
        return igraph.Graph.Barabasi(size, 10)
    if model == "erdos":
        return igraph.Graph.Erdos_Renyi(n=size, m=4 * size)
    if model == "famous":
        return igraph.Graph.Famous(event["name"])
    raise ValueError(f"no model {model}")


def handler(event):
    made = graph(event)
    order, layers, _ = made.bfs(event.get("from", 0))
    answer = {"visited": len(order), "depth": len(layers) - 1}
    if layout := event.get("layout"):
        answer["layout"] = len(made.layout(layout))
    if path := event.get("export"):
        made.write(path, format=event.get("format"))
        answer["bytes"] = os.path.getsize(path)
        answer["back"] = igraph.Graph.Read(path, format=event.get("format")).vcount()
    if event.get("communities"):
        answer["communities"] = len(made.community_multilevel())
    if event.get("text"):
        answer["text"] = str(made)
    return answer
