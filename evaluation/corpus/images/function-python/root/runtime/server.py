"""Runs a function as its providers do: HANDLER names a module and a function in it, and each request is an event."""

import importlib
import json
import os
import sys
import traceback

import bottle

sys.path.insert(0, os.environ.get("FUNCTION_DIRECTORY", "/function"))


def load():
    module, _, name = os.environ.get("HANDLER", "function.handler").rpartition(".")
    return getattr(importlib.import_module(module), name)


handler = load()
app = bottle.Bottle()


@app.get("/alive")
def alive():
    return {"status": "ok"}


@app.post("/")
def invoke():
    try:
        result = handler(json.loads(bottle.request.body.read() or b"{}"))
    except Exception as error:
        traceback.print_exc()
        bottle.response.status = 500
        return {"error": type(error).__name__, "message": str(error)}
    if isinstance(result, bytes):
        bottle.response.content_type = "application/octet-stream"
        return result
    return {"result": result}


app.run(host="0.0.0.0", port=int(os.environ.get("PORT", "9000")), quiet=True)
