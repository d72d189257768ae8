"""DNA as a picture: {"sequence": …, "format": "png"|"svg"|"pdf", "style": …}; or what Biopython says of it."""

import io

import matplotlib

matplotlib.use("Agg")

import numpy
from Bio import SeqIO
from matplotlib import pyplot

SAMPLE = ">sample\nATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAG\n"
STEPS = {"A": (0, 1), "C": (1, 0), "G": (-1, 0), "T": (0, -1)}


def record(event):
    return SeqIO.read(io.StringIO(event.get("text", SAMPLE)), event.get("from", "fasta"))


def picture(event, sequence):
    path = numpy.cumsum([STEPS[base] for base in sequence], axis=0)
    with pyplot.style.context(event.get("style", "default")):
        figure = pyplot.figure(figsize=(4, 4))
        axes = figure.add_subplot(projection="3d") if event.get("solid") else figure.add_subplot()
        axes.plot(path[:, 0], path[:, 1], *([range(len(path))] if event.get("solid") else []))
        axes.set_title(event.get("title", "walk"))
        written = io.BytesIO()
        figure.savefig(written, format=event.get("format", "png"))
        pyplot.close(figure)
    return {"bytes": len(written.getvalue()), "head": written.getvalue()[:5].decode("latin-1")}


def handler(event):
    found = record(event)
    if event.get("translate"):
        return str(found.seq.translate(table=event.get("table", "Standard")))
    if event.get("weight"):
        from Bio.SeqUtils import gc_fraction, molecular_weight

        return [round(gc_fraction(found.seq), 3), round(molecular_weight(found.seq), 1)]
    if event.get("align"):
        from Bio.Align import PairwiseAligner, substitution_matrices

        aligner = PairwiseAligner()
        aligner.substitution_matrix = substitution_matrices.load(event.get("matrix", "NUC.4.4"))
        return aligner.score(str(found.seq), event["align"])
    if target := event.get("to"):
        found.annotations["molecule_type"] = "DNA"
        return found.format(target)[:40]
    return picture(event, str(found.seq))
