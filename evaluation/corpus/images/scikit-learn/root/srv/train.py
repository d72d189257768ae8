"""Makes the models: flowers by a forest and by a support vector machine, and the language of a text."""

import os
import sys

import joblib
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

TEXTS = {
    "en": ["the cat sat on the mat", "where is the train station", "this is a good day"],
    "de": ["die katze sitzt auf der matte", "wo ist der bahnhof", "das ist ein guter tag"],
}
place = sys.argv[1]
os.makedirs(place, exist_ok=True)
values, kinds = load_iris(return_X_y=True)
words = [(text, language) for language, texts in TEXTS.items() for text in texts]
texts, languages = zip(*words, strict=True)
models = {
    "forest": RandomForestClassifier(20, random_state=1).fit(values, kinds),
    "vectors": make_pipeline(StandardScaler(), SVC(random_state=1)).fit(values, kinds),
    "language": make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 3)), LogisticRegression()).fit(
        texts, languages
    ),
}
for name, model in models.items():
    joblib.dump(model, os.path.join(place, f"{name}.joblib"))
