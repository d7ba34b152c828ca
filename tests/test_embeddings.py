"""Every embedding keeps the contract; each gives the values that its description promises."""

import json
from pathlib import Path
from typing import Any

import disk_networks
import numpy as np
import pytest
import torch
from numpy.random import default_rng

from deconfuse.embeddings import Embedding
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import names, part

torch.set_num_threads(1)

SCHEMAS: dict[str, dict[str, Any]] = {
    "audio": {"name": "heard", "kind": "audio", "shape": [2000], "dtype": "int16", "rate": 8000},
    "image": {"name": "seen", "kind": "image", "shape": [3, 9, 7], "dtype": "uint8"},
    "text": {"name": "read", "kind": "text", "shape": [], "dtype": "text"},
    "video": {"name": "filmed", "kind": "video", "shape": [4, 1, 9, 7], "dtype": "uint8"},
}
TEXTS = ["One, two!", "a one\tseen", None, "", "heard ones a a a a a a a a a a a a a", "ünseen 🙂"]
LAYOUTS = {"image": 3, "video": 4, "frames": 2, "tokens": 1}
CASES = [(name, kind) for name in names("embeddings") for kind in part("embeddings", name).layouts]
GLOVE = "one 1 2 3\ntwo 3 4 5\nseen 0.5 -1e-1 0\n. . 7 8 9\nheard 2 2 2\n"


@pytest.fixture
def glove(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.txt"
    path.write_text(GLOVE, encoding="utf-8")
    return path


@pytest.fixture
def make(glove: Path) -> Any:
    """Make an embedding, with what those need that read from elsewhere."""

    def made(name: str, kind: str, **options: Any) -> Embedding:
        if name == "word_vectors":
            options = {"path": str(glove)} | options
        elif name == "wordpieces":
            options = {"network": disk_networks.for_texts()["network"]} | options
        elif name == "features":
            options = (disk_networks.for_texts() if kind == "text" else disk_networks.for_pictures()) | options
        return part("embeddings", name)(SCHEMAS[kind], **options)

    return made


def prepared(kind: str, samples: int = 6) -> tuple[Any, np.ndarray | None]:
    """Values and lengths as `preprocess` leaves them; the last sample is missing."""
    if kind == "text":
        return TEXTS, None
    schema, draw = SCHEMAS[kind], default_rng(0)
    top = np.iinfo(schema["dtype"]).max
    values = draw.integers(0, top, (samples, *schema["shape"])).astype(schema["dtype"])
    values[-1] = 0
    if kind == "image":
        return values, None
    return values, np.array([0, *draw.integers(1, schema["shape"][0], samples - 2), schema["shape"][0]], np.int32)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_contract(make: Any, name: str, kind: str) -> None:
    embedding = make(name, kind)
    values, length = prepared(kind)
    embedding.fit(values)
    array, steps = embedding(values, length)
    layout, state = embedding.layouts[kind], embedding.state()
    assert array.shape[0] == len(values) and array.ndim == 1 + LAYOUTS[layout]
    assert array.dtype in (np.uint8, np.int32, np.float32)
    assert np.isfinite(array).all()
    json.dumps(state)
    assert (state["vocabulary"] > 0) == (layout == "tokens")
    if layout == "tokens":
        assert array.min() >= 0 and array.max() < state["vocabulary"]
        assert 0 < state["unknown"] < state["vocabulary"]
    if steps is not None:
        assert steps.dtype.kind == "i" and steps.shape == (len(values),)
        assert steps.min() >= 1 and steps.max() <= array.shape[1]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_samples_do_not_depend_on_their_chunk(make: Any, name: str, kind: str) -> None:
    embedding = make(name, kind)
    values, length = prepared(kind)
    embedding.fit(values)
    whole, steps = embedding(values, length)
    for row in range(len(values)):
        one, step = embedding(values[row : row + 1], None if length is None else length[row : row + 1])
        np.testing.assert_allclose(one[0], whole[row], rtol=1e-4, atol=1e-5)
        assert (step is None) == (steps is None) and (step is None or step[0] == steps[row])


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_same_again_is_the_same(make: Any, name: str, kind: str) -> None:
    values, length = prepared(kind)
    arrays = []
    for _ in range(2):
        embedding = make(name, kind)
        embedding.fit(values)
        arrays.append(embedding(values, length)[0].tobytes())
    assert arrays[0] == arrays[1]


# ---- characters, words, pieces


def test_characters(make: Any) -> None:
    embedding = make("characters", "text", length=4)
    embedding.fit(["ab", "b", None])
    tokens, steps = embedding(["ba", "", None, "zbbbb"], None)
    assert embedding.state() == {"unknown": 1, "vocabulary": 4, "alphabet": ["a", "b"]}
    assert tokens.tolist() == [[3, 2], [0, 0], [0, 0], [1, 3]]
    assert steps.tolist() == [2, 1, 1, 2]


def test_words(make: Any) -> None:
    embedding = make("words", "text", length=3, minimum=2)
    embedding.fit(["Two two, ONE", "one rare", None, "it's it's on-line a b c , "])
    assert embedding.state() == {"unknown": 1, "vocabulary": 6, "words": [",", "it's", "one", "two"]}
    tokens, steps = embedding(["one TWO rare one", "", None, "unheard, of"], None)
    assert tokens.tolist() == [[4, 5, 1], [0, 0, 0], [0, 0, 0], [1, 2, 1]]
    assert steps.tolist() == [3, 1, 1, 3]


def test_pieces_are_those_of_the_networks_own_tokenizer(make: Any) -> None:
    embedding = make("wordpieces", "text")
    embedding.fit(["One, twos!"])
    place = {word: number for number, word in enumerate(disk_networks.WORDS)}
    pieces = ["[CLS]", "one", ",", "two", "##s", "!", "[SEP]"]
    tokens, steps = embedding(["One, twos!", None, "zebra", "a a a a a a a a a"], None)
    assert tokens[0].tolist() == [place[piece] for piece in pieces]
    assert tokens[1].tolist() == [place["[CLS]"], place["[SEP]"], 0, 0, 0, 0, 0]
    assert tokens[2, 1] == place["[UNK]"]
    assert tokens[3].tolist() == [place[piece] for piece in ("[CLS]", "a", "a", "a", "a", "a", "[SEP]")]
    assert steps.tolist() == [7, 2, 3, 7]
    assert embedding.state() == {"unknown": place["[UNK]"], "vocabulary": len(place)}


# ---- word vectors


def test_word_vectors(make: Any) -> None:
    embedding = make("word_vectors", "text")
    embedding.fit(["one zebra two", "ONE"])
    vectors, steps = embedding(["Seen zebra", None, "two one heard"], None)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[0], [[0.5, -0.1, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(vectors[1], np.zeros((3, 3)))
    # a word that the train split lacks has its vector all the same
    np.testing.assert_allclose(vectors[2], [[3, 4, 5], [1, 2, 3], [2, 2, 2]])
    assert steps.tolist() == [2, 1, 3]
    assert embedding.state() == {"vocabulary": 0, "share": 2 / 3, "missing": [0, 0, 0]}


def test_an_unknown_word_can_be_the_mean_of_the_train_splits(make: Any) -> None:
    embedding = make("word_vectors", "text", unknown="mean")
    embedding.fit(["one one one zebra two"])
    vectors, _ = embedding(["zebra"], None)
    np.testing.assert_allclose(vectors[0, 0], [2, 3, 4])
    np.testing.assert_allclose(vectors[0, 1:], 0)


@pytest.mark.parametrize(
    "text", ["3 2\none 1 2 \ntwo 3 4 \nüber 5 6 \n", "one 1 2\r\ntwo 3 4\r\nüber 5 6", "one 1 2\none 9 9\ntwo 3 4\nüber 5 6\n"]
)
def test_files_of_vectors_come_in_kinds(make: Any, tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.txt"
    path.write_bytes(text.encode())
    embedding = make("word_vectors", "text", path=str(path))
    embedding.fit(["one two über"])
    assert embedding(["one Über two"], None)[0].tolist() == [[[1, 2], [5, 6], [3, 4]]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no vectors"),
        ("2 3\n", "holds no vectors"),
        ("one 1 2\ntwo 3\n", "line 2 of .* has 2 fields"),
        ("one 1 2\n\n", "line 2 of .* has 0 fields"),
        ("one 1 x\n", "vector of 'one' has something that is no number"),
        ("one 1 nan\n", "vector of 'one' is not finite"),
    ],
)
def test_a_wrong_file_of_vectors_is_named(make: Any, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "wrong.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        make("word_vectors", "text", path=str(path)).fit(["one"])
    assert "embed.read.path" in str(caught.value) and str(path) in str(caught.value)


def test_a_missing_file_of_vectors_is_named(make: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="embed.read.path: .*none.txt cannot be read"):
        make("word_vectors", "text", path=str(tmp_path / "none.txt"))


# ---- log-mel


@pytest.mark.parametrize("hertz", [400, 1000, 3000])
def test_a_tone_is_loudest_in_its_band(make: Any, hertz: int) -> None:
    embedding = make("log_mel", "audio", bands=20)
    time = np.arange(2000) / 8000
    mel, _ = embedding((10_000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)[None], np.array([2000]))
    middle = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 22)[1:-1] / 2595) - 1)
    assert set(mel[0].argmax(1)) == {np.abs(middle - hertz).argmin()}


def test_a_window_that_does_not_fit_is_named(make: Any) -> None:
    with pytest.raises(UserError, match="embed.heard.window"):
        make("log_mel", "audio", window=1.0)


# ---- frozen features


def test_features_of_a_picture_are_those_of_the_network_on_its_own_terms(make: Any) -> None:
    timm = pytest.importorskip("timm")
    from safetensors.torch import load_file

    options = disk_networks.for_pictures()
    state = load_file(options["path"])
    net = timm.create_model("test_resnet", num_classes=0).eval()
    net.load_state_dict({key: value for key, value in state.items() if key in net.state_dict()})
    values = default_rng(1).integers(0, 256, (3, 3, 32, 32)).astype(np.uint8)
    seen = net.pretrained_cfg
    mean, deviation = (np.array(seen[key], np.float32)[:, None, None] for key in ("mean", "std"))
    with torch.inference_mode():
        expected = net(torch.from_numpy((values / np.float32(255) - mean) / deviation)).numpy()
    found, steps = make("features", "image")(values, None)
    assert steps is None and found.shape == (3, 1, net.num_features)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-3, atol=1e-5)


def test_features_of_a_clip_are_those_of_its_frames(make: Any) -> None:
    values, length = prepared("video")
    clips, steps = make("features", "video")(values, length)
    assert steps.tolist() == [1, *length[1:]]
    frames, _ = make("features", "image")(values[:, 2].repeat(3, axis=1), None)
    np.testing.assert_allclose(clips[:, 2], frames[:, 0], rtol=1e-3, atol=1e-5)


def test_features_of_a_text_are_the_networks_last_states(make: Any) -> None:
    transformers = pytest.importorskip("transformers")
    folder = disk_networks.for_texts()["network"]
    embedding = make("features", "text")
    embedding.fit(["one two a", "a"])
    states, steps = embedding(["a", "one two a"], None)
    model, tokenizer = transformers.AutoModel.from_pretrained(folder).eval(), transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        for row, text in enumerate(["a", "one two a"]):
            expected = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
            assert steps[row] == len(expected)
            np.testing.assert_allclose(states[row, : len(expected)], expected, rtol=1e-3, atol=1e-5)
            assert (states[row, len(expected) :] == 0).all()


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("image", {"library": "transformers"}, "embed.seen: .*for pictures choose torchvision or timm"),
        ("image", {"network": "no_such_network"}, "embed.seen: .*`network: no_such_network`"),
        ("image", {"path": "no/such/file.pth"}, "embed.seen: .*`path: no/such/file.pth`"),
        ("text", {"library": "timm"}, "embed.read: a text needs `library: transformers`"),
        ("text", {"network": "no/such/folder"}, "embed.read: .*`network: no/such/folder`"),
    ],
)
def test_a_wrong_choice_of_network_is_named(make: Any, kind: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make("features", kind, **options)


def test_a_library_that_is_not_installed_is_named(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    options = disk_networks.for_texts()
    # None in sys.modules is how Python marks a module as not to be found
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(UserError, match="embed.read: transformers cannot be imported .* pip install 'deconfuse"):
        make("wordpieces", "text", network=options["network"])
