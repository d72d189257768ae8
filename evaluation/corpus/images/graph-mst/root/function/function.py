"""Minimum spanning tree: {"size": N} or {"edges": [[from, to, weight], …]}."""

import random

import igraph


def handler(event):
    random.seed(42)
    if "edges" in event:
        made = igraph.Graph.TupleList(event["edges"], weights=True)
    else:
        made = igraph.Graph.Barabasi(event.get("size", 100), 3)
        made.es["weight"] = [random.random() for _ in made.es]
    tree = made.spanning_tree(weights="weight" if event.get("weighted", True) else None)
    answer = {"edges": tree.ecount(), "connected": tree.is_connected()}
    if event.get("cut"):
        answer["cut"] = made.mincut().value
    if event.get("svg"):
        tree.write_svg("/tmp/tree.svg", layout="tree")
        with open("/tmp/tree.svg") as file:
            answer["svg"] = file.read(5)
    if kind := event.get("statistics"):
        from igraph.statistics import Histogram, RunningMean

        weights = tree.es["weight"]
        answer["statistics"] = (
            RunningMean(weights).mean if kind == "mean" else str(Histogram(0.1, weights)).splitlines()[0]
        )
    return answer
