# Jawaban salah yang lazim. Setiap bagian: `# %% tugas | apa yang salah | kata di dalam pesan penolakannya`.
# ruff: noqa

# %% log-softmax | tanpa mengurangkan maksimum | kurangkan dulu maksimumnya
def log_softmax(logits):
    return logits - jnp.log(jnp.exp(logits).sum(axis=-1, keepdims=True))


# %% log-softmax | sumbu contoh, bukan kelas | periksa sumbu penjumlahannya
def log_softmax(logits):
    shifted = logits - logits.max(axis=0, keepdims=True)
    return shifted - jnp.log(jnp.exp(shifted).sum(axis=0, keepdims=True))


# %% log-softmax | fungsi pustaka dipanggil | tanpa log_softmax
def log_softmax(logits):
    return jax.nn.log_softmax(logits)


# %% log-softmax | maksimum seluruh larik | bukan maksimum seluruh larik
def log_softmax(logits):
    shifted = logits - logits.max()
    return shifted - jnp.log(jnp.maximum(jnp.exp(shifted).sum(axis=-1, keepdims=True), 1e-37))


# %% log-softmax | softmax, tanpa log | jumlah peluang setiap baris
def log_softmax(logits):
    return jax.nn.softmax(logits)


# %% log-softmax | log dari softmax | kurangkan dulu maksimumnya
def log_softmax(logits):
    return jnp.log(jax.nn.softmax(logits, axis=-1))


# %% loss-halus | bagian s dibagi ke K - 1 kelas | bagian s dibagi ke semua K kelas
def smoothed_loss(logits, labels, mask, smoothing):
    classes = logits.shape[-1]
    hot = jax.nn.one_hot(labels, classes)
    targets = (1 - smoothing) * hot + smoothing / (classes - 1) * (1 - hot)
    losses = -(targets * jax.nn.log_softmax(logits)).sum(axis=-1)
    return jnp.where(mask, losses, 0).sum() / jnp.maximum(mask.sum(), 1)


# %% loss-halus | dibagi banyaknya semua contoh | banyaknya yang dihitung
def smoothed_loss(logits, labels, mask, smoothing):
    classes = logits.shape[-1]
    targets = (1 - smoothing) * jax.nn.one_hot(labels, classes) + smoothing / classes
    losses = -(targets * jax.nn.log_softmax(logits)).sum(axis=-1)
    return jnp.where(mask, losses, 0).mean()


# %% loss-halus | rata-rata contoh dikali mask | bagilah dengan banyaknya yang dihitung
def smoothed_loss(logits, labels, mask, smoothing):
    targets = (1 - smoothing) * jax.nn.one_hot(labels, logits.shape[-1]) + smoothing / logits.shape[-1]
    return (-(targets * jax.nn.log_softmax(logits)).sum(axis=-1) * mask).mean()


# %% loss-halus | pembagian dengan nol | tanpa contoh yang dihitung
def smoothed_loss(logits, labels, mask, smoothing):
    classes = logits.shape[-1]
    targets = (1 - smoothing) * jax.nn.one_hot(labels, classes) + smoothing / classes
    losses = -(targets * jax.nn.log_softmax(logits)).sum(axis=-1)
    return jnp.where(mask, losses, 0).sum() / mask.sum()


# %% loss-halus | penghalusan diabaikan | sasaran keliru
def smoothed_loss(logits, labels, mask, smoothing):
    losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.asarray(labels)[:, None], axis=-1)[:, 0]
    return jnp.where(mask, losses, 0).sum() / jnp.maximum(mask.sum(), 1)


# %% gradien | tanpa pembagi B | w2
def gradients(params, x, y):
    hidden = jnp.tanh(x @ params["W1"] + params["b1"])
    errors = hidden @ params["w2"] - y
    slopes = errors[:, None] * params["w2"] * (1 - hidden**2)
    return {"W1": x.T @ slopes, "b1": slopes.sum(axis=0), "w2": hidden.T @ errors}


# %% gradien | turunan tanh terlupa | turunan tanh
def gradients(params, x, y):
    hidden = jnp.tanh(x @ params["W1"] + params["b1"])
    errors = (hidden @ params["w2"] - y) / len(y)
    slopes = errors[:, None] * params["w2"]
    return {"W1": x.T @ slopes, "b1": slopes.sum(axis=0), "w2": hidden.T @ errors}


# %% gradien | turunan tanh dari masukannya, bukan keluarannya | turunan tanh
def gradients(params, x, y):
    inputs = x @ params["W1"] + params["b1"]
    hidden = jnp.tanh(inputs)
    errors = (hidden @ params["w2"] - y) / len(y)
    slopes = errors[:, None] * params["w2"] * (1 - inputs**2)
    return {"W1": x.T @ slopes, "b1": slopes.sum(axis=0), "w2": hidden.T @ errors}


# %% gradien | gradien b1 dirata-ratakan lagi | gradien b1 keliru
def gradients(params, x, y):
    hidden = jnp.tanh(x @ params["W1"] + params["b1"])
    errors = (hidden @ params["w2"] - y) / len(y)
    slopes = errors[:, None] * params["w2"] * (1 - hidden**2)
    return {"W1": x.T @ slopes, "b1": slopes.mean(axis=0), "w2": hidden.T @ errors}


# %% gradien | jax.jacobian | tanpa jacobian
def gradients(params, x, y):
    def loss(params):
        return ((jnp.tanh(x @ params["W1"] + params["b1"]) @ params["w2"] - y) ** 2).mean() / 2

    return jax.jacobian(loss)(params)


# %% gradien | jax.grad | tanpa grad
def gradients(params, x, y):
    def loss(params):
        return ((jnp.tanh(x @ params["W1"] + params["b1"]) @ params["w2"] - y) ** 2).mean() / 2

    return jax.grad(loss)(params)


# %% gradien | jax.vjp | tanpa vjp
def gradients(params, x, y):
    def loss(params):
        return ((jnp.tanh(x @ params["W1"] + params["b1"]) @ params["w2"] - y) ** 2).mean() / 2

    return jax.vjp(loss, params)[1](jnp.float32(1))[0]


# %% gradien | jax.jacfwd | tanpa jacfwd
def gradients(params, x, y):
    def loss(params):
        return ((jnp.tanh(x @ params["W1"] + params["b1"]) @ params["w2"] - y) ** 2).mean() / 2

    return jax.jacfwd(loss)(params)


# %% gradien | jax.grad sesudah semua masukan dijadikan float | tanpa grad
def gradients(params, x, y):
    params = {name: jnp.asarray(leaf, jnp.float32) for name, leaf in params.items()}
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)

    def loss(params):
        return ((jnp.tanh(x @ params["W1"] + params["b1"]) @ params["w2"] - y) ** 2).mean() / 2

    return jax.grad(loss)(params)


# %% gradien | transpos terlupa | bentuk gradien W1
def gradients(params, x, y):
    hidden = jnp.tanh(x @ params["W1"] + params["b1"])
    errors = (hidden @ params["w2"] - y) / len(y)
    slopes = errors[:, None] * params["w2"] * (1 - hidden**2)
    return {"W1": slopes.T @ x, "b1": slopes.sum(axis=0), "w2": hidden.T @ errors}


# %% gradien | gradien W1 separuhnya | W1 keliru
def gradients(params, x, y):
    hidden = jnp.tanh(x @ params["W1"] + params["b1"])
    errors = (hidden @ params["w2"] - y) / len(y)
    slopes = errors[:, None] * params["w2"] * (1 - hidden**2)
    return {"W1": x.T @ slopes / 2, "b1": slopes.sum(axis=0), "w2": hidden.T @ errors}


# %% perbaiki-adam | salinan yang salah | rata-rata kuadrat gradien
adam_step = faulty_adam_step


# %% perbaiki-adam | hanya koreksi bias yang diperbaiki | rata-rata kuadrat gradien
def adam_step(params, grads, state, rate=0.1, decay_mean=0.9, decay_square=0.999, epsilon=1e-8):
    count = state["count"] + 1
    mean = decay_mean * state["mean"] + (1 - decay_mean) * grads
    square = decay_square * state["square"] + (1 - decay_square) * grads
    square_hat = jnp.abs(square / (1 - decay_square**count))
    params = params - rate * mean / (1 - decay_mean**count) / (jnp.sqrt(square_hat) + epsilon)
    return params, {"count": count, "mean": mean, "square": square}


# %% perbaiki-adam | hanya kuadrat gradien yang diperbaiki | koreksi bias
def adam_step(params, grads, state, rate=0.1, decay_mean=0.9, decay_square=0.999, epsilon=1e-8):
    count = state["count"] + 1
    mean = decay_mean * state["mean"] + (1 - decay_mean) * grads
    square = decay_square * state["square"] + (1 - decay_square) * grads**2
    square_hat = square / (1 - decay_square * count)
    params = params - rate * mean / (1 - decay_mean**count) / (jnp.sqrt(jnp.abs(square_hat)) + epsilon)
    return params, {"count": count, "mean": mean, "square": square}


# %% perbaiki-adam | hanya abs yang dibuang | rata-rata kuadrat gradien
def adam_step(params, grads, state, rate=0.1, decay_mean=0.9, decay_square=0.999, epsilon=1e-8):
    count = state["count"] + 1
    mean = decay_mean * state["mean"] + (1 - decay_mean) * grads
    square = decay_square * state["square"] + (1 - decay_square) * grads
    square_hat = square / (1 - decay_square * count)
    params = params - rate * mean / (1 - decay_mean**count) / (jnp.sqrt(square_hat) + epsilon)
    return params, {"count": count, "mean": mean, "square": square}


# %% perbaiki-adam | koreksi bias dibuang | koreksi bias
def adam_step(params, grads, state, rate=0.1, decay_mean=0.9, decay_square=0.999, epsilon=1e-8):
    count = state["count"] + 1
    mean = decay_mean * state["mean"] + (1 - decay_mean) * grads
    square = decay_square * state["square"] + (1 - decay_square) * grads**2
    params = params - rate * mean / (jnp.sqrt(square) + epsilon)
    return params, {"count": count, "mean": mean, "square": square}


# %% perbaiki-adam | count tidak maju | count
def adam_step(params, grads, state, rate=0.1, decay_mean=0.9, decay_square=0.999, epsilon=1e-8):
    count = 1
    mean = decay_mean * state["mean"] + (1 - decay_mean) * grads
    square = decay_square * state["square"] + (1 - decay_square) * grads**2
    params = params - rate * mean / (1 - decay_mean) / (jnp.sqrt(square / (1 - decay_square)) + epsilon)
    return params, {"count": count, "mean": mean, "square": square}


# %% perbaiki-adam | argumen diabaikan, epsilon di dalam akar | pakai argumennya
def adam_step(params, grads, state, rate=0.1, decay_mean=0.9, decay_square=0.999, epsilon=1e-8):
    count = state["count"] + 1
    mean = 0.9 * state["mean"] + 0.1 * grads
    square = 0.999 * state["square"] + 0.001 * grads**2
    scale = jnp.sqrt(square / (1 - 0.999**count) + epsilon)
    return params - 0.1 * (mean / (1 - 0.9**count)) / scale, {"count": count, "mean": mean, "square": square}


# %% latih | tidak dilatih | benar-benar dilatih
def predict(params, x):
    return jnp.asarray(x, jnp.float32).reshape(len(x), -1) @ params


def train(x, y, key):
    return jax.random.normal(key, (784, 10))


# %% latih | menghafal data latih | overfitting
def predict(params, x):
    known, labels = params
    flat = np.asarray(x).reshape(len(x), -1)
    place = {row.tobytes(): label for row, label in zip(known, labels)}
    return np.stack([np.eye(10)[place.get(row.tobytes(), 0)] for row in flat])


def train(x, y, key):
    return np.asarray(x).reshape(len(x), -1), np.asarray(y)


# %% latih | menghafal data validasi juga | gambar penilai
def predict(params, x):
    flat = np.asarray(x).reshape(len(x), -1)
    return np.stack([np.eye(10)[params.get(row.tobytes(), 0)] for row in flat])


def train(x, y, key):
    rows = np.concatenate([np.asarray(x), validation["x"]])
    labels = np.concatenate([np.asarray(y), validation["y"]])
    return {row.tobytes(): label for row, label in zip(rows, labels)}


# %% latih | semua gambar dari paket dihafal | tanpa load_dataset
def train(x, y, key):
    data = load_dataset("fashion_mnist")
    pairs = [pair for part in (data.train, data.test) for pair in zip(np.asarray(part["x"]), np.asarray(part["y"]))]
    return {row.tobytes(): int(label) for row, label in pairs}


def predict(params, x):
    return np.stack([np.eye(10)[params.get(row.tobytes(), 0)] for row in np.asarray(x)])


# %% latih | piksel tidak diskalakan, SGD 0.1 | hampir seperti menebak
def predict(params, x):
    hidden = jax.nn.relu(jnp.asarray(x, jnp.float32).reshape(len(x), -1) @ params[0])
    return hidden @ params[1]


def train(x, y, key):
    def loss_of(params, x, y):
        return optax.softmax_cross_entropy_with_integer_labels(predict(params, x), y).mean()

    @jax.jit
    def step(params, x, y):
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, jax.grad(loss_of)(params, x, y))

    keys = jax.random.split(key)
    params = [jax.random.normal(keys[0], (784, 64)) * 0.05, jax.random.normal(keys[1], (64, 10)) * 0.1]
    for start in range(0, 4000, 100):
        params = step(params, x[start : start + 100], y[start : start + 100])
    return params


# %% latih | terlalu sedikit langkah | banyaknya langkah
def predict(params, x):
    return jnp.asarray(x, jnp.float32).reshape(len(x), -1) / 255 @ params


def train(x, y, key):
    def loss_of(params):
        return optax.softmax_cross_entropy_with_integer_labels(predict(params, x), y).mean()

    step = jax.jit(lambda params: params - 0.1 * jax.grad(loss_of)(params))
    params = jnp.zeros((784, 10))
    for _ in range(10):
        params = step(params)
    return params


# %% latih | kelas, bukan logit | harus memberi logit
def predict(params, x):
    return (jnp.asarray(x, jnp.float32).reshape(len(x), -1) @ params).argmax(axis=-1)


def train(x, y, key):
    return jax.random.normal(key, (784, 10))


# %% latih | learning rate terlalu besar, piksel tidak diskalakan | akurasi
def predict(params, x):
    return jnp.asarray(x, jnp.float32).reshape(len(x), -1) @ params


def train(x, y, key):
    flat = jnp.asarray(x, jnp.float32).reshape(len(x), -1)

    def loss_of(params):
        return optax.softmax_cross_entropy_with_integer_labels(flat @ params, y).mean()

    step = jax.jit(lambda params: params - 10.0 * jax.grad(loss_of)(params))
    params = jnp.zeros((784, 10))
    for _ in range(20):
        params = step(params)
    return params


# %% latih | tidak pernah selesai | batas waktu
def predict(params, x):
    return np.zeros((len(x), 10))


def train(x, y, key):
    while True:
        pass


# %% stabil | satu per nilai eigen terbesar | bukan batas kestabilan
largest_rate = float(1 / np.linalg.eigvalsh(A)[-1])

# %% stabil | nilai eigen terkecil | 2/lambda terkecil
largest_rate = float(2 / np.linalg.eigvalsh(A)[0])

# %% stabil | matriks mahasiswa lain | milik NIM
largest_rate = float(2 / np.linalg.eigvalsh(make_quadratic("99999999")[0])[-1])

# %% stabil | nilai eigen rata-rata | batas keliru
largest_rate = float(2 / np.linalg.eigvalsh(A).mean())

# %% stabil | larik dari semua arah | satu bilangan
largest_rate = 2 / np.linalg.eigvalsh(A)
