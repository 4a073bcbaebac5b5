"""`read_tfds` end to end over the loopback address: original files served, prepared, read, and every refusal."""

import dataclasses
import gzip
import hashlib
import http.server
import io
import json
import os
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time

import numpy as np
import pytest

from common.data import CorruptDataError, DownloadError, download, load_dataset, tfds

NAMES = ("mnist", "fashion_mnist", "cifar10")
CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Server(http.server.ThreadingHTTPServer):
    """Serve `files` (name -> bytes) on the loopback address and count the requests."""

    daemon_threads = True

    def __init__(self):
        self.files, self.requests, self.status, self.release = {}, [], 200, None
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request, client_address):
        """Say nothing: a client that gives up is what these tests are about."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        content = self.server.files[self.path.rpartition("/")[2]]
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content[:half])
        if self.server.release:  # stall in the middle
            self.server.release.wait(20)
        else:
            self.wfile.write(content[half:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        if server.release:
            server.release.set()
        server.shutdown()
        thread.join()


def idx_file(array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes())


def make_idx(source):
    rng = np.random.default_rng(1)
    arrays = [
        array
        for count in (23, 7)
        for array in (
            rng.integers(0, 256, (count, 28, 28), np.uint8),
            rng.integers(0, 10, count).astype(np.uint8),
        )
    ]
    files = {file.name: idx_file(array) for file, array in zip(source.files, arrays, strict=True)}
    train, test = arrays[:2], arrays[2:]
    return files, [(x[..., None], y) for x, y in (train, test)]


def make_cifar(source):
    rng = np.random.default_rng(2)
    batches = [(rng.integers(0, 256, (4, 32, 32, 3), np.uint8), rng.integers(0, 10, 4)) for _ in range(6)]
    members = {"batches.meta.txt": "\n".join([*CIFAR_CLASSES, "", ""]).encode()}
    for name, (x, y) in zip([f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"], batches, strict=True):
        members[f"{name}.bin"] = b"".join(
            bytes([label]) + b"".join(image[..., channel].tobytes() for channel in range(3))
            for image, label in zip(x, y, strict=True)
        )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    train = tuple(np.concatenate(arrays) for arrays in zip(*batches[:5], strict=True))
    return {source.files[0].name: packed.getvalue()}, [train, batches[5]]


@pytest.fixture
def serve(server, monkeypatch):
    """Return `serve(name)`: it serves small files in the original format and gives the arrays inside them."""

    def start(name):
        source = tfds.SOURCES[name]
        server.files, splits = (make_cifar if name == "cifar10" else make_idx)(source)
        files = tuple(
            download.File(server.url + file, len(content), hashlib.sha256(content).hexdigest())
            for file, content in server.files.items()
        )
        monkeypatch.setitem(tfds.SOURCES, name, dataclasses.replace(source, files=files))
        return splits

    return start


def redirect(monkeypatch, name, url):
    files = tuple(dataclasses.replace(file, url=url + file.name) for file in tfds.SOURCES[name].files)
    monkeypatch.setitem(tfds.SOURCES, name, dataclasses.replace(tfds.SOURCES[name], files=files))


def as_pairs(x, y):
    """Return the examples in an order that depends on their content alone: TFDS shuffles."""
    return sorted((image.tobytes(), int(label)) for image, label in zip(x, y, strict=True))


def left_over(folder):
    return [path for path in folder.rglob("*") if path.suffix == ".part" or "incomplete" in path.name]


@pytest.mark.parametrize("name", NAMES)
def test_arrays_equal_the_served_ones(name, serve, server, tmp_path, capsys):
    expected = serve(name)
    loaded = tfds.read_tfds(name, data_dir=tmp_path)
    for split, (x, y) in zip(loaded, expected, strict=True):
        assert split["x"].dtype == np.uint8 and split["x"].shape == x.shape
        assert split["y"].dtype == np.int32 and split["y"].shape == y.shape
        assert as_pairs(split["x"], split["y"]) == as_pairs(x, y)
    assert len(server.requests) == len(server.files)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", NAMES)
def test_load_dataset_adds_names_and_provenance(name, serve, tmp_path):
    expected = serve(name)
    data = load_dataset(name, source="tfds", data_dir=tmp_path)
    assert as_pairs(data.train["x"], data.train["y"]) == as_pairs(*expected[0])
    assert as_pairs(data.test["x"], data.test["y"]) == as_pairs(*expected[1])
    assert len(data.classes) == len(data.classes_original) == 10 and data.kind == "real" and "TFDS" in repr(data)


@pytest.mark.parametrize("name", NAMES)
def test_second_call_needs_no_server(name, serve, server, tmp_path, monkeypatch):
    serve(name)
    first = tfds.read_tfds(name, data_dir=tmp_path)
    server.shutdown()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was asked"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))  # also the default folder
    second = tfds.read_tfds(name)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one["x"], other["x"])
        np.testing.assert_array_equal(one["y"], other["y"])


@pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")  # TFDS with protobuf 6
@pytest.mark.parametrize("name", NAMES)
def test_stock_reader_sees_the_same(name, serve, tmp_path):
    import tensorflow_datasets

    expected = serve(name)
    ours = tfds.read_tfds(name, data_dir=tmp_path)
    stock = tensorflow_datasets.data_source(
        name, data_dir=tmp_path, download=False, builder_kwargs={"file_format": "array_record"}
    )
    for split, arrays, (x, _) in zip(("train", "test"), ours, expected, strict=True):
        records = list(stock[split])
        np.testing.assert_array_equal(np.stack([record["image"] for record in records]), arrays["x"])
        np.testing.assert_array_equal([record["label"] for record in records], arrays["y"])
        if name == "cifar10":
            order = [int(record["id"].decode().removeprefix(f"{split}_")) for record in records]
            np.testing.assert_array_equal(arrays["x"], x[order])
    info = tensorflow_datasets.builder_from_directory(tmp_path / name / tfds.SOURCES[name].version).info
    assert info.download_size == sum(file.size for file in tfds.SOURCES[name].files)
    if name == "cifar10":
        assert info.features["label"].names == CIFAR_CLASSES


@pytest.mark.parametrize("name", NAMES)
def test_table_agrees_with_the_official_builder(name):
    from tensorflow_datasets import image_classification

    source = tfds.SOURCES[name]
    official = getattr(image_classification, source.builder)
    assert (official.name, str(official.VERSION)) == (name, source.version)
    registered = {url: (info.size, info.checksum) for url, info in official.url_infos.items()}
    assert registered == {file.url: (file.size, file.sha256) for file in source.files}


def test_only_the_named_host_is_asked(serve, tmp_path, monkeypatch):
    hosts, original = set(), socket.getaddrinfo

    def record(host, *args, **options):
        hosts.add(host)
        return original(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", record)
    serve("mnist")
    tfds.read_tfds("mnist", data_dir=tmp_path)
    assert hosts == {"127.0.0.1"}


def test_tensorflow_is_never_imported(serve, tmp_path):
    serve("cifar10")
    (tmp_path / "tensorflow").mkdir()  # installed, but any import fails
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise AssertionError('tensorflow was imported')")
    script = """if True:
        import dataclasses, json, sys
        import common.data
        from common.data import download, tfds
        early = "tensorflow_datasets" in sys.modules
        files = tuple(download.File(*fields) for fields in json.loads(sys.argv[1]))
        tfds.SOURCES["cifar10"] = dataclasses.replace(tfds.SOURCES["cifar10"], files=files)
        train, test = tfds.read_tfds("cifar10", data_dir=sys.argv[2])
        print(json.dumps([early, "tensorflow" in sys.modules, train["x"].shape, test["x"].shape]))
    """
    files = json.dumps([dataclasses.astuple(file) for file in tfds.SOURCES["cifar10"].files])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, files, str(tmp_path / "data")],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [False, False, [20, 32, 32, 3], [4, 32, 32, 3]]


@pytest.mark.parametrize(
    "name, alternative",
    [("mnist", "mnist"), ("fashion_mnist", "fashion_mnist"), ("cifar10", "batik")],
)
@pytest.mark.parametrize("absence", ["refused", "unknown host", "silent name server"])
def test_absent_network_is_told_within_a_second(name, alternative, absence, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    release = threading.Event()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, not listening: refuses

        def look_up(host, port, *_, **__):
            if absence == "silent name server":
                release.wait(20)
            if absence != "refused":
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        redirect(monkeypatch, name, f"http://127.0.0.1:{closed.getsockname()[1]}/")
        start = time.perf_counter()
        with pytest.raises(DownloadError) as caught:
            tfds.read_tfds(name, data_dir=tmp_path)
        assert time.perf_counter() - start <= 1.0
    release.set()
    message = str(caught.value)
    assert f'load_dataset("{alternative}")' in message and message.endswith("works without a network.")
    assert tfds.SOURCES[name].files[0].url in message and "\n" not in message
    assert not (tmp_path / name).exists()


def test_silent_server_is_told_within_eight_seconds(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as listening:  # the kernel accepts, nobody answers
        redirect(monkeypatch, "fashion_mnist", f"http://127.0.0.1:{listening.getsockname()[1]}/")
        start = time.perf_counter()
        with pytest.raises(DownloadError, match="timed out"):
            tfds.read_tfds("fashion_mnist", data_dir=tmp_path)
        assert time.perf_counter() - start <= 8.0


def test_server_that_stalls_in_the_middle(serve, server, tmp_path, monkeypatch):
    serve("mnist")
    server.release = threading.Event()
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.3)
    with pytest.raises(DownloadError, match="timed out"):
        tfds.read_tfds("mnist", data_dir=tmp_path)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("status", [404, 500])
def test_wrong_status(status, serve, server, tmp_path):
    serve("cifar10")
    server.status = status
    with pytest.raises(DownloadError, match=rf"cifar-10-binary.*{status}.*batik"):
        tfds.read_tfds("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("change", ["altered", "cut"])
def test_wrong_content_is_refused_and_not_kept(change, serve, server, tmp_path):
    serve("mnist")
    name, good = next(iter(server.files.items()))
    server.files[name] = good[:-1] + bytes([good[-1] ^ 1]) if change == "altered" else good[:-9]
    with pytest.raises(DownloadError) as caught:
        tfds.read_tfds("mnist", data_dir=tmp_path)
    for text in (name, hashlib.sha256(good).hexdigest(), hashlib.sha256(server.files[name]).hexdigest()):
        assert text in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    server.files[name] = good
    assert len(tfds.read_tfds("mnist", data_dir=tmp_path)[0]["x"]) == 23


def test_bad_file_brought_by_hand_is_fetched_again(serve, server, tmp_path):
    serve("cifar10")
    by_hand = tmp_path / "downloads" / "manual" / "cifar10" / "cifar-10-binary.tar.gz"
    by_hand.parent.mkdir(parents=True)
    by_hand.write_bytes(b"half a file")
    assert len(tfds.read_tfds("cifar10", data_dir=tmp_path)[1]["x"]) == 4
    assert by_hand.read_bytes() == server.files[by_hand.name]


def test_good_file_brought_by_hand_needs_no_network(serve, server, tmp_path):
    serve("cifar10")
    by_hand = tmp_path / "downloads" / "manual" / "cifar10" / "cifar-10-binary.tar.gz"
    by_hand.parent.mkdir(parents=True)
    by_hand.write_bytes(server.files[by_hand.name])
    assert len(tfds.read_tfds("cifar10", data_dir=tmp_path)[1]["x"]) == 4
    assert server.requests == []


def test_proxy_is_asked_in_place_of_the_host(serve, server, tmp_path, monkeypatch):
    serve("cifar10")
    redirect(monkeypatch, "cifar10", "http://kampus.invalid/")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    assert len(tfds.read_tfds("cifar10", data_dir=tmp_path)[0]["x"]) == 20
    assert server.requests == ["http://kampus.invalid/cifar-10-binary.tar.gz"]


def test_interrupted_preparation_is_not_taken_for_complete(serve, tmp_path, monkeypatch):
    (train_x, train_y), _ = serve("fashion_mnist")
    original, seen = tfds._png, []

    def interrupt(image):
        seen.append(image)
        if len(seen) == len(train_y) + 3:  # the training set is written, the test set is not
            raise KeyboardInterrupt
        return original(image)

    monkeypatch.setattr(tfds, "_png", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tfds.read_tfds("fashion_mnist", data_dir=tmp_path)
    assert not (tmp_path / "fashion_mnist" / "3.0.1").exists() and left_over(tmp_path) == []
    train, test = tfds.read_tfds("fashion_mnist", data_dir=tmp_path)
    assert as_pairs(train["x"], train["y"]) == as_pairs(train_x, train_y) and len(test["x"]) == 7


@pytest.mark.parametrize("damage", ["cut", "one byte", "missing", "no description"])
def test_damaged_prepared_data(damage, serve, tmp_path):
    serve("mnist")
    tfds.read_tfds("mnist", data_dir=tmp_path)
    folder = tmp_path / "mnist" / "3.0.1"
    (records,) = folder.glob("mnist-train*")
    content = bytearray(records.read_bytes())
    if damage == "cut":
        records.write_bytes(content[: len(content) // 2])
    elif damage == "one byte":
        content[content.index(b"IHDR")] ^= 1  # inside the first picture
        records.write_bytes(content)
    else:
        (records if damage == "missing" else folder / "dataset_info.json").unlink()
    with pytest.raises(CorruptDataError, match="delete that folder") as caught:
        tfds.read_tfds("mnist", data_dir=tmp_path)
    assert str(folder) in str(caught.value)


def test_unknown_name():
    with pytest.raises(ValueError, match="'minst'.*mnist, fashion_mnist, cifar10"):
        tfds.read_tfds("minst")
