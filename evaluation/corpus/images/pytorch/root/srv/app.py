"""Inference: POST /predict with {"values": […]}; and what else PyTorch is asked for."""

import io

import nets
import torch
from flask import Flask, request

app = Flask(__name__)
pairs = nets.pairs()
pairs.load_state_dict(torch.load("models/pairs.pt"))
pairs.eval()


@app.get("/health")
def health():
    return {"version": torch.__version__}


@app.post("/predict")
def predict():
    with torch.no_grad():
        return {"larger": pairs(torch.tensor(request.get_json()["values"])).argmax(1).tolist()}


@app.post("/picture")
def picture():
    import numpy
    from PIL import Image

    image = numpy.array(Image.open(io.BytesIO(request.get_data())).convert("L"), dtype="float32") / 255
    served = torch.jit.load("models/pictures.pt")(torch.from_numpy(image)[None, None])
    return {"shape": list(served.shape)}


@app.post("/train")
def train():
    asked = request.get_json()
    copy = nets.pairs()
    optimizer = getattr(torch.optim, asked.get("optimizer", "SGD"))(copy.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    data = torch.utils.data.TensorDataset(torch.tensor(asked["values"]), torch.tensor(asked["larger"]))
    for values, larger in torch.utils.data.DataLoader(data, batch_size=2):
        torch.nn.functional.cross_entropy(copy(values), larger).backward()
        optimizer.step()
    schedule.step()
    return {"parameters": sum(one.numel() for one in copy.parameters())}


@app.get("/sequence")
def sequence():
    return {"shape": list(nets.sequences()(torch.ones(1, 5, 1))[0].shape)}


@app.get("/quantized")
def quantized():
    made = torch.quantization.quantize_dynamic(pairs, {torch.nn.Linear}, dtype=torch.qint8)
    return {"larger": made(torch.tensor([[0.1, 0.9]])).argmax(1).tolist()}


@app.get("/scripted")
def scripted():
    return {
        "code": torch.jit.script(pairs).code[:3],
        "traced": len(str(torch.jit.trace(pairs, torch.ones(1, 2)).graph)) > 0,
    }


@app.get("/symbolic")
def symbolic():
    from torch import fx

    return {"nodes": len(fx.symbolic_trace(pairs).graph.nodes)}


@app.get("/spectrum")
def spectrum():
    values = torch.linalg.eigvalsh(torch.eye(3))
    return {"spectrum": torch.fft.rfft(torch.ones(8)).abs().tolist()[:2], "values": values.tolist()}


@app.get("/samples")
def samples():
    torch.manual_seed(1)
    found = torch.distributions.Normal(0.0, 1.0).sample((3,))
    return {"count": len(found)}


@app.errorhandler(Exception)
def wrong(error):
    status = getattr(error, "code", 400)
    return {"error": str(error).splitlines()[0]}, status if isinstance(status, int) else 400
