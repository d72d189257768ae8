"""Inference: POST /predict/MODEL with {"values": […]}; and what else scikit-learn is asked for."""

import joblib
from flask import Flask, request

app = Flask(__name__)
models = {"forest": joblib.load("models/forest.joblib")}


def model(name):
    if name not in models:
        models[name] = joblib.load(f"models/{name}.joblib")
    return models[name]


@app.get("/health")
def health():
    return {"models": sorted(models)}


@app.post("/predict/<name>")
def predict(name):
    return {"kinds": model(name).predict(request.get_json()["values"]).tolist()}


@app.post("/probabilities/<name>")
def probabilities(name):
    return {"shares": model(name).predict_proba(request.get_json()["values"]).round(3).tolist()}


@app.post("/groups")
def groups():
    from sklearn.cluster import KMeans

    asked = request.get_json()
    return {"groups": KMeans(asked["count"], n_init=1, random_state=1).fit_predict(asked["values"]).tolist()}


@app.post("/components")
def components():
    from sklearn.decomposition import PCA

    return {"values": PCA(1, random_state=1).fit_transform(request.get_json()["values"]).round(3).tolist()}


@app.get("/score/<name>")
def score(name):
    from sklearn.datasets import load_iris
    from sklearn.metrics import classification_report
    from sklearn.model_selection import cross_val_score

    values, kinds = load_iris(return_X_y=True)
    report = classification_report(kinds, model(name).predict(values), output_dict=True)
    return {"accuracy": report["accuracy"], "folds": cross_val_score(model(name), values, kinds, cv=3).tolist()}


@app.get("/importance")
def importance():
    from sklearn.datasets import load_iris
    from sklearn.inspection import permutation_importance

    found = permutation_importance(models["forest"], *load_iris(return_X_y=True), n_repeats=1, random_state=1)
    return {"importance": found.importances_mean.tolist()}


@app.get("/description")
def description():
    return models["forest"]._repr_html_()


@app.errorhandler(ValueError)
def wrong(error):
    return {"error": str(error).splitlines()[0]}, 400


@app.errorhandler(FileNotFoundError)
def absent(_error):
    return {"error": "no such model"}, 404
