"""Keras running the printed networks, as printed: Adam at its own rate, `fit`.

    python -m benchmarks.rivals.keras_fit PROJECT WORKLOAD

Needs TensorFlow, numpy and nothing else.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

# what TensorFlow says at its start
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.rivals.reading import read, tell


def cnn() -> list[Any]:
    return [
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]


def lstm() -> list[Any]:
    return [keras.Input((28, 28)), layers.LSTM(64, return_sequences=True), layers.LSTM(64), layers.Dense(10, activation="softmax")]


def deconv(is_pooled: bool) -> list[Any]:
    parts: list[Any] = [keras.Input((32, 32, 3))]
    for channels in (32, 64, 128):
        parts += [layers.Conv2D(channels, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()]
        parts.append(layers.Conv2DTranspose(channels, 4, strides=2, padding="same"))
        parts += [] if is_pooled and channels == 128 else [layers.BatchNormalization(), layers.ReLU()]
    return [*parts, layers.GlobalAveragePooling2D() if is_pooled else layers.Flatten(), layers.Dense(10, activation="softmax")]


NETWORKS = {
    "printed_cnn": cnn,
    "printed_lstm": lstm,
    "printed_deconv": lambda: deconv(False),
    "pooled_deconv": lambda: deconv(True),
}


class Clock(keras.callbacks.Callback):
    """When epochs end, with val."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.ended.append(time.time())


def main(folder: str, name: str) -> None:
    threads = int(os.environ["OMP_NUM_THREADS"])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    task = read(Path(folder))
    splits = {split: ready(values) for split, values in task.values.items()}
    keras.utils.set_random_seed(0)
    model = keras.Sequential(NETWORKS[name]())
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    clock, started = Clock(), time.time()
    history = model.fit(
        splits["train"],
        task.label["train"],
        batch_size=task.settings["batch_size"],
        epochs=task.settings["epochs"],
        validation_data=(splits["val"], task.label["val"]),
        validation_batch_size=512,
        verbose=0,
        callbacks=[clock],
    )
    tell(started, clock.ended, history.history["val_accuracy"])


def ready(values: np.ndarray) -> np.ndarray:
    """Pictures with channels last, between 0 and 1."""
    return values.transpose(0, 2, 3, 1).astype(np.float32) / 255 if values.ndim == 4 else values


if __name__ == "__main__":
    main(*sys.argv[1:])
