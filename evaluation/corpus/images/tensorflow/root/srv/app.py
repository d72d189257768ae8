"""Inference: POST /predict with {"values": […]}; and what else TensorFlow is asked for."""

import tensorflow as tf
from flask import Flask, request

app = Flask(__name__)
pairs = tf.keras.models.load_model("models/pairs.keras")


@app.get("/health")
def health():
    return {"version": tf.__version__}


@app.post("/predict")
def predict():
    return {"larger": pairs(tf.constant(request.get_json()["values"], tf.float32)).numpy().argmax(1).tolist()}


@app.post("/batches")
def batches():
    values = tf.data.Dataset.from_tensor_slices(request.get_json()["values"]).batch(2)
    return {"larger": pairs.predict(values, verbose=0).argmax(1).tolist()}


@app.post("/picture")
def picture():
    image = tf.image.convert_image_dtype(tf.io.decode_image(request.get_data(), 1, expand_animations=False), tf.float32)
    small = tf.image.resize(image, (16, 16))[None]
    loaded = tf.saved_model.load("models/pictures")  # its variables live as long as it does
    return {"shape": list(loaded.serve(small).shape)}


@app.post("/train")
def train():
    asked = request.get_json()
    copy = tf.keras.models.clone_model(pairs)
    copy.compile(tf.keras.optimizers.get(asked.get("optimizer", "sgd")), "sparse_categorical_crossentropy")
    history = copy.fit(tf.constant(asked["values"]), tf.constant(asked["larger"]), epochs=2, verbose=0)
    return {"epochs": len(history.history["loss"])}


@app.post("/text")
def text():
    layer = tf.keras.layers.TextVectorization(output_sequence_length=4)
    layer.adapt(["a cat", "a dog"])
    return {"tokens": layer(tf.constant(request.get_json()["texts"])).numpy().tolist()}


@app.get("/gradient")
def gradient():
    value = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        result = value**2
    return {"gradient": float(tape.gradient(result, value))}


@app.get("/sequence")
def sequence():
    layer = tf.keras.layers.LSTM(4)
    return {"shape": list(layer(tf.ones((1, 5, 2))).shape)}


@app.get("/lite")
def lite():
    data = tf.lite.TFLiteConverter.from_keras_model(pairs).convert()
    interpreter = tf.lite.Interpreter(model_content=data)
    interpreter.allocate_tensors()
    return {"inputs": len(interpreter.get_input_details())}


@app.get("/compiled")
def compiled():
    @tf.function(jit_compile=True)
    def double(value):
        return value * 2

    return {"value": float(double(tf.constant(21.0)))}


@app.get("/summary")
def summary():
    lines = []
    pairs.summary(print_fn=lambda line, **_: lines.append(line))
    return {"lines": len(lines)}


@app.errorhandler(Exception)
def wrong(error):
    status = getattr(error, "code", 400)
    return {"error": str(error).splitlines()[0]}, status if isinstance(status, int) else 400
