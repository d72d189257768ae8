"""Trains two small models: which of two values is larger, and how bright a picture is."""

import os
import sys

import numpy
import tensorflow as tf

tf.keras.utils.set_random_seed(1)
os.makedirs(sys.argv[1], exist_ok=True)
values = numpy.random.rand(512, 2)
pairs = tf.keras.Sequential(
    [tf.keras.Input((2,)), tf.keras.layers.Dense(8, activation="relu"), tf.keras.layers.Dense(2, activation="softmax")]
)
pairs.compile("adam", "sparse_categorical_crossentropy")
pairs.fit(values, values[:, 1] > values[:, 0], epochs=30, verbose=0)
pairs.save(os.path.join(sys.argv[1], "pairs.keras"))

pictures = tf.keras.Sequential(
    [
        tf.keras.Input((None, None, 1)),
        tf.keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
        tf.keras.layers.GlobalAveragePooling2D(),
        tf.keras.layers.Dense(1),
    ]
)
pictures.export(os.path.join(sys.argv[1], "pictures"), verbose=False)
