"""PageRank: {"size": N, "model": …} or {"edges": [[from, to], …]}."""

import networkx


def graph(event):
    if "edges" in event:
        return networkx.DiGraph(event["edges"])
    make = {
        "barabasi": lambda: networkx.barabasi_albert_graph(event.get("size", 100), 5, seed=42),
        "scale-free": lambda: networkx.scale_free_graph(event.get("size", 100), seed=42),
        "karate": networkx.karate_club_graph,
    }
    return make[event.get("model", "barabasi")]()


def handler(event):
    made = graph(event)
    ranks = networkx.pagerank(made, alpha=event.get("alpha", 0.85))
    best = max(ranks, key=ranks.get)
    answer = {"nodes": len(ranks), "best": best, "rank": round(ranks[best], 6)}
    if measure := event.get("measure"):
        values = getattr(networkx, f"{measure}_centrality")(made)
        answer[measure] = round(max(values.values()), 6)
    if event.get("communities"):
        answer["communities"] = len(networkx.community.louvain_communities(made, seed=1))
    if event.get("eigenvalues"):
        answer["eigenvalues"] = [round(float(value), 3) for value in networkx.laplacian_spectrum(made)[:3]]
    if event.get("layout"):
        answer["layout"] = len(getattr(networkx, f"{event['layout']}_layout")(made))
    if event.get("gml"):
        answer["gml"] = "\n".join(networkx.generate_gml(made))[:5]
    if event.get("graphml"):
        answer["graphml"] = "".join(networkx.generate_graphml(made))[:8]
    return answer
