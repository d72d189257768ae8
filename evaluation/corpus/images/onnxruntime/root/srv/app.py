"""Inference: POST /run/MODEL with {"values": […]}; and what else ONNX Runtime is asked for."""

import io

import numpy
import onnxruntime
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

app = FastAPI(title="inference")
sessions = {}


class Values(BaseModel):
    values: list


def session(name):
    if name not in sessions:
        try:
            sessions[name] = onnxruntime.InferenceSession(f"models/{name}.onnx")
        except onnxruntime.capi.onnxruntime_pybind11_state.NoSuchFile:
            raise HTTPException(404, f"no model {name}") from None
    return sessions[name]


@app.get("/health")
def health():
    return {"version": onnxruntime.__version__, "providers": onnxruntime.get_available_providers()}


def run(name, values):
    try:
        return session(name).run(None, {"x": numpy.asarray(values, numpy.float32)})[0].round(4).tolist()
    except (ValueError, onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument) as error:
        raise HTTPException(400, str(error).splitlines()[0]) from None


@app.post("/run/{name}")
def infer(name: str, asked: Values):
    return {"values": run(name, asked.values)}


@app.post("/picture")
async def picture(request: Request):
    from PIL import Image

    image = Image.open(io.BytesIO(await request.body())).convert("L")
    return {"edges": run("edges", numpy.asarray(image)[None, None] / 255)}


@app.get("/describe/{name}")
def describe(name: str):
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load(f"models/{name}.onnx"))
    return {"operations": [node.op_type for node in model.graph.node], "text": onnx.printer.to_text(model)[:20]}


@app.get("/reference/{name}")
def reference(name: str):
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(f"models/{name}.onnx")
    return {"values": evaluator.run(None, {"x": numpy.ones((1, 2), numpy.float32)})[0].tolist()}


@app.get("/quantized/{name}")
def quantized(name: str):
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(f"models/{name}.onnx", "/tmp/quantized.onnx")
    made = onnxruntime.InferenceSession("/tmp/quantized.onnx")
    return {"values": made.run(None, {"x": numpy.ones((1, 2), numpy.float32)})[0].tolist()}


@app.get("/optimized/{name}")
def optimized(name: str):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = "/tmp/optimized.ort"
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(f"models/{name}.onnx", options)
    return {"inputs": [one.name for one in onnxruntime.InferenceSession("/tmp/optimized.ort").get_inputs()]}
