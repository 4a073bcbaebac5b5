# Jawaban salah yang lazim. Setiap bagian: `# %% tugas | apa yang salah | kata di dalam pesan penolakannya`.
# ruff: noqa

# %% susunan | jump diperbarui lebih dahulu | pakai jump sebelum diperbarui
def stack_facts(size, layers):
    field, jump = 1, 1
    for window, stride, padding, dilation in layers:
        span = (window - 1) * dilation + 1
        size = (size + 2 * padding - span) // stride + 1
        jump = jump * stride
        field = field + (span - 1) * jump
    return size, field


# %% susunan | dilatasi diabaikan | merentang 5 piksel
def stack_facts(size, layers):
    field, jump = 1, 1
    for window, stride, padding, dilation in layers:
        size = (size + 2 * padding - window) // stride + 1
        field, jump = field + (window - 1) * jump, jump * stride
    return size, field


# %% susunan | dibulatkan ke atas | memberi (14, 7)
def stack_facts(size, layers):
    field, jump = 1, 1
    for window, stride, padding, dilation in layers:
        span = (window - 1) * dilation + 1
        size = (size + 2 * padding - span + stride - 1) // stride + 1
        field, jump = field + (span - 1) * jump, jump * stride
    return size, field


# %% susunan | bantalan hanya di satu sisi | berbantalan 1
def stack_facts(size, layers):
    field, jump = 1, 1
    for window, stride, padding, dilation in layers:
        span = (window - 1) * dilation + 1
        size = (size + padding - span) // stride + 1
        field, jump = field + (span - 1) * jump, jump * stride
    return size, field


# %% susunan | medan reseptif tanpa jump | pakai jump
def stack_facts(size, layers):
    field = 1
    for window, stride, padding, dilation in layers:
        span = (window - 1) * dilation + 1
        size, field = (size + 2 * padding - span) // stride + 1, field + span - 1
    return size, field


# %% susunan | ukuran keluaran tanpa ditambah 1 | memberi (28, 3)
def stack_facts(size, layers):
    field, jump = 1, 1
    for window, stride, padding, dilation in layers:
        span = (window - 1) * dilation + 1
        size = (size + 2 * padding - span) // stride
        field, jump = field + (span - 1) * jump, jump * stride
    return size, field


# %% korelasi | penyaring dibalik | penyaring tidak dibalik
def correlate(x, kernel, stride, padding, dilation):
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    (s1, s2), (d1, d2), (k1, k2) = stride, dilation, kernel.shape[:2]
    rows = (x.shape[1] - (k1 - 1) * d1 - 1) // s1 + 1
    columns = (x.shape[2] - (k2 - 1) * d2 - 1) // s2 + 1
    total = 0
    for u, v in np.ndindex(k1, k2):
        piece = x[:, u * d1 :: s1, v * d2 :: s2][:, :rows, :columns]
        total = total + piece @ kernel[k1 - 1 - u, k2 - 1 - v]
    return total


# %% korelasi | langkah geser tertukar | M1 = (6 + 1 - 3) // 2 + 1
def correlate(x, kernel, stride, padding, dilation):
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    (s2, s1), (d1, d2), (k1, k2) = stride, dilation, kernel.shape[:2]
    rows = (x.shape[1] - (k1 - 1) * d1 - 1) // s1 + 1
    columns = (x.shape[2] - (k2 - 1) * d2 - 1) // s2 + 1
    total = 0
    for u, v in np.ndindex(k1, k2):
        piece = x[:, u * d1 :: s1, v * d2 :: s2][:, :rows, :columns]
        total = total + piece @ kernel[u, v]
    return total


# %% korelasi | langkah geser diabaikan | M1 = (6 + 1 - 3) // 2 + 1
def correlate(x, kernel, stride, padding, dilation):
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    (s1, s2), (d1, d2), (k1, k2) = stride, dilation, kernel.shape[:2]
    rows = (x.shape[1] - (k1 - 1) * d1 - 1) + 1
    columns = (x.shape[2] - (k2 - 1) * d2 - 1) + 1
    total = 0
    for u, v in np.ndindex(k1, k2):
        piece = x[:, u * d1 :, v * d2 :][:, :rows, :columns]
        total = total + piece @ kernel[u, v]
    return total


# %% korelasi | bantalan dibagi rata di kedua sisi | baris atas nol
def correlate(x, kernel, stride, padding, dilation):
    padding = [(sum(pair) // 2, sum(pair) - sum(pair) // 2) for pair in padding]
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    (s1, s2), (d1, d2), (k1, k2) = stride, dilation, kernel.shape[:2]
    rows = (x.shape[1] - (k1 - 1) * d1 - 1) // s1 + 1
    columns = (x.shape[2] - (k2 - 1) * d2 - 1) // s2 + 1
    total = 0
    for u, v in np.ndindex(k1, k2):
        piece = x[:, u * d1 :: s1, v * d2 :: s2][:, :rows, :columns]
        total = total + piece @ kernel[u, v]
    return total


# %% korelasi | bantalan baris dan kolom tertukar | M1 = (6 + 1 - 3) // 2 + 1
def correlate(x, kernel, stride, padding, dilation):
    x = jnp.pad(x, ((0, 0), *padding[::-1], (0, 0)))
    (s1, s2), (d1, d2), (k1, k2) = stride, dilation, kernel.shape[:2]
    rows = (x.shape[1] - (k1 - 1) * d1 - 1) // s1 + 1
    columns = (x.shape[2] - (k2 - 1) * d2 - 1) // s2 + 1
    total = 0
    for u, v in np.ndindex(k1, k2):
        piece = x[:, u * d1 :: s1, v * d2 :: s2][:, :rows, :columns]
        total = total + piece @ kernel[u, v]
    return total


# %% korelasi | bantalan atas dan bawah tertukar | baris atas nol
def correlate(x, kernel, stride, padding, dilation):
    x = jnp.pad(x, ((0, 0), padding[0][::-1], padding[1], (0, 0)))
    (s1, s2), (d1, d2), (k1, k2) = stride, dilation, kernel.shape[:2]
    rows = (x.shape[1] - (k1 - 1) * d1 - 1) // s1 + 1
    columns = (x.shape[2] - (k2 - 1) * d2 - 1) // s2 + 1
    total = 0
    for u, v in np.ndindex(k1, k2):
        piece = x[:, u * d1 :: s1, v * d2 :: s2][:, :rows, :columns]
        total = total + piece @ kernel[u, v]
    return total


# %% korelasi | dilatasi diabaikan | M2 = (5 + 2 - 3) // 1 + 1
def correlate(x, kernel, stride, padding, dilation):
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    (s1, s2), _, (k1, k2) = stride, dilation, kernel.shape[:2]
    rows = (x.shape[1] - (k1 - 1) - 1) // s1 + 1
    columns = (x.shape[2] - (k2 - 1) - 1) // s2 + 1
    total = 0
    for u, v in np.ndindex(k1, k2):
        piece = x[:, u::s1, v::s2][:, :rows, :columns]
        total = total + piece @ kernel[u, v]
    return total


# %% korelasi | dilatasi hanya di bentuk, tidak di letak | dilatasi: nilai
def correlate(x, kernel, stride, padding, dilation):
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    (s1, s2), (d1, d2), (k1, k2) = stride, dilation, kernel.shape[:2]
    rows = (x.shape[1] - (k1 - 1) * d1 - 1) // s1 + 1
    columns = (x.shape[2] - (k2 - 1) * d2 - 1) // s2 + 1
    total = 0
    for u, v in np.ndindex(k1, k2):
        piece = x[:, u::s1, v::s2][:, :rows, :columns]
        total = total + piece @ kernel[u, v]
    return total


# %% korelasi | dilatasi tertukar | M1 = (6 + 1 - 3) // 2 + 1
def correlate(x, kernel, stride, padding, dilation):
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    (s1, s2), (d2, d1), (k1, k2) = stride, dilation, kernel.shape[:2]
    rows = (x.shape[1] - (k1 - 1) * d1 - 1) // s1 + 1
    columns = (x.shape[2] - (k2 - 1) * d2 - 1) // s2 + 1
    total = 0
    for u, v in np.ndindex(k1, k2):
        piece = x[:, u * d1 :: s1, v * d2 :: s2][:, :rows, :columns]
        total = total + piece @ kernel[u, v]
    return total


# %% korelasi | kanal masukan tidak dijumlahkan | 2 kanal
def correlate(x, kernel, stride, padding, dilation):
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    (s1, s2), (d1, d2), (k1, k2) = stride, dilation, kernel.shape[:2]
    rows = (x.shape[1] - (k1 - 1) * d1 - 1) // s1 + 1
    columns = (x.shape[2] - (k2 - 1) * d2 - 1) // s2 + 1
    total = 0
    for u, v in np.ndindex(k1, k2):
        piece = x[:, u * d1 :: s1, v * d2 :: s2][:, :rows, :columns]
        total = total + piece[..., :1] @ kernel[u, v, :1]
    return total


# %% korelasi | konvolusi dari jax.lax | tanpa conv_general_dilated
def correlate(x, kernel, stride, padding, dilation):
    axes = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, stride, padding, None, dilation, axes)


# %% korelasi | petak dari jax.lax, lewat fungsi bantu | tanpa conv_general_dilated_patches
def patches_of(x, sides, stride, padding, dilation):
    axes = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated_patches(x, sides, stride, padding, None, dilation, axes)


def correlate(x, kernel, stride, padding, dilation):
    patches = patches_of(x, kernel.shape[:2], stride, padding, dilation)
    return patches @ kernel.transpose(2, 0, 1, 3).reshape(-1, kernel.shape[-1])


# %% mundur-pooling | tanpa pembagi | setiap piksel mendapat 1
def average_pool_backward(g, height, width, window, stride):
    g = np.asarray(g)
    dx = np.zeros((len(g), height, width, g.shape[-1]))
    for i, j in np.ndindex(*g.shape[1:3]):
        rows, columns = slice(i * stride, i * stride + window), slice(j * stride, j * stride + window)
        dx[:, rows, columns] += g[:, i : i + 1, j : j + 1]
    return dx


# %% mundur-pooling | ditimpa, bukan dijumlahkan | kirimannya dijumlahkan
def average_pool_backward(g, height, width, window, stride):
    g = np.asarray(g)
    dx = np.zeros((len(g), height, width, g.shape[-1]))
    for i, j in np.ndindex(*g.shape[1:3]):
        rows, columns = slice(i * stride, i * stride + window), slice(j * stride, j * stride + window)
        dx[:, rows, columns] = g[:, i : i + 1, j : j + 1] / window**2
    return dx


# %% mundur-pooling | sisa tepi terlupa | sisa baris dan kolom
def average_pool_backward(g, height, width, window, stride):
    if stride == window:
        return jnp.repeat(jnp.repeat(g, window, axis=1), window, axis=2) / window**2
    g = np.asarray(g)
    dx = np.zeros((len(g), height, width, g.shape[-1]))
    for i, j in np.ndindex(*g.shape[1:3]):
        rows, columns = slice(i * stride, i * stride + window), slice(j * stride, j * stride + window)
        dx[:, rows, columns] += g[:, i : i + 1, j : j + 1] / window**2
    return dx


# %% mundur-pooling | dibagi q, bukan q kuadrat | setiap piksel mendapat 1
def average_pool_backward(g, height, width, window, stride):
    g = np.asarray(g)
    dx = np.zeros((len(g), height, width, g.shape[-1]))
    for i, j in np.ndindex(*g.shape[1:3]):
        rows, columns = slice(i * stride, i * stride + window), slice(j * stride, j * stride + window)
        dx[:, rows, columns] += g[:, i : i + 1, j : j + 1] / window
    return dx


# %% mundur-pooling | nilai diulang, tanpa penjumlahan | dijumlahkan
def average_pool_backward(g, height, width, window, stride):
    spread = jnp.repeat(jnp.repeat(g / window**2, stride, axis=1), stride, axis=2)
    rest = (height - spread.shape[1], width - spread.shape[2])
    return jnp.pad(spread, ((0, 0), (0, rest[0]), (0, rest[1]), (0, 0)))


# %% mundur-pooling | diturunkan jax.vjp | tanpa vjp
def average_pool_backward(g, height, width, window, stride):
    def pool(x):
        return nnx.avg_pool(x, (window, window), strides=(stride, stride))

    return jax.vjp(pool, jnp.zeros((len(g), height, width, g.shape[-1])))[1](jnp.asarray(g))[0]


# %% mundur-pooling | ditranspos jax.linear_transpose | tanpa linear_transpose
def average_pool_backward(g, height, width, window, stride):
    def pool(x):
        return nnx.avg_pool(x, (window, window), strides=(stride, stride))

    like = jax.ShapeDtypeStruct((len(g), height, width, g.shape[-1]), jnp.float32)
    return jax.linear_transpose(pool, like)(jnp.asarray(g))[0]


# %% perbaiki-batchnorm | salinan yang salah | momentum milik yang lama
batch_norm = faulty_batch_norm


# %% perbaiki-batchnorm | hanya momentum yang diperbaiki | bukan statistik batch
def batch_norm(x, scale, bias, running, training, momentum=0.9, epsilon=1e-5):
    return faulty_batch_norm(x, scale, bias, running, training, 1 - momentum, epsilon)


# %% perbaiki-batchnorm | hanya mode evaluasi yang diperbaiki | momentum milik yang lama
def batch_norm(x, scale, bias, running, training, momentum=0.9, epsilon=1e-5):
    if training:
        return faulty_batch_norm(x, scale, bias, running, True, momentum, epsilon)
    return scale * (x - running["mean"]) / jnp.sqrt(running["variance"] + epsilon) + bias, running


# %% perbaiki-batchnorm | mode latih memakai statistik berjalan | di sini dipakai statistik batch
def batch_norm(x, scale, bias, running, training, momentum=0.9, epsilon=1e-5):
    if training:
        _, running = faulty_batch_norm(x, scale, bias, running, True, 1 - momentum, epsilon)
    return scale * (x - running["mean"]) / jnp.sqrt(running["variance"] + epsilon) + bias, running


# %% perbaiki-batchnorm | running berubah juga dalam mode evaluasi | tidak boleh mengubah running
def batch_norm(x, scale, bias, running, training, momentum=0.9, epsilon=1e-5):
    y, updated = faulty_batch_norm(x, scale, bias, running, True, 1 - momentum, epsilon)
    if not training:
        y = scale * (x - running["mean"]) / jnp.sqrt(running["variance"] + epsilon) + bias
    return y, updated


# %% perbaiki-batchnorm | epsilon di luar akar dalam mode evaluasi | letak epsilon
def batch_norm(x, scale, bias, running, training, momentum=0.9, epsilon=1e-5):
    if training:
        return faulty_batch_norm(x, scale, bias, running, True, 1 - momentum, epsilon)
    return scale * (x - running["mean"]) / (jnp.sqrt(running["variance"]) + epsilon) + bias, running


# %% perbaiki-batchnorm | scale dan bias terlupa dalam mode evaluasi | scale, dan bias
def batch_norm(x, scale, bias, running, training, momentum=0.9, epsilon=1e-5):
    if training:
        return faulty_batch_norm(x, scale, bias, running, True, 1 - momentum, epsilon)
    return (x - running["mean"]) / jnp.sqrt(running["variance"] + epsilon), running


# %% latih | tidak dilatih | benar-benar dilatih
def predict(params, x):
    return jnp.asarray(x, jnp.float32).reshape(len(x), -1) @ params


def train(x, y, key):
    return jax.random.normal(key, (3072, 8))


# %% latih | menghafal data latih | overfitting
def predict(params, x):
    known, labels = params
    place = {row.tobytes(): label for row, label in zip(np.asarray(known), labels)}
    return np.stack([np.eye(8)[place.get(row.tobytes(), 0)] for row in np.asarray(x)])


def train(x, y, key):
    return np.asarray(x), np.asarray(y)


# %% latih | model linear | overfitting
def predict(params, x):
    return (jnp.asarray(x, jnp.float32) / 127.5 - 1).reshape(len(x), -1) @ params


def train(x, y, key):
    flat = (np.asarray(x, np.float32) / 127.5 - 1).reshape(len(x), -1)
    gram = flat @ flat.T + 10 * np.eye(len(x), dtype=np.float32)
    return jnp.asarray(flat.T @ np.linalg.solve(gram, np.eye(8, dtype=np.float32)[np.asarray(y)]))


# %% latih | tidak pernah selesai | batas waktu
def predict(params, x):
    return np.zeros((len(x), 8))


def train(x, y, key):
    while True:
        pass


# %% latih | skala piksel terlupa | akurasi
def predict(params, x):
    h = jnp.asarray(x, jnp.float32)
    for kernel in params["kernels"]:
        h = jax.nn.relu(lax.conv_general_dilated(h, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))
    return h.mean(axis=(1, 2)) @ params["out"]


def train(x, y, key):
    *keys, key_out, key_order = jax.random.split(key, 5)
    shapes = ((5, 5, 3, 16), (3, 3, 16, 32), (3, 3, 32, 64))
    kernels = [jax.random.normal(k, s) * np.sqrt(2 / np.prod(s[:-1])) for k, s in zip(keys, shapes)]
    params = {"kernels": kernels, "out": jax.random.normal(key_out, (64, 8)) / 8}
    optimizer = optax.adam(3e-3)
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, x, y):
        def loss_of(params):
            return optax.softmax_cross_entropy_with_integer_labels(predict(params, x), y).mean()

        updates, state = optimizer.update(jax.grad(loss_of)(params), state)
        return optax.apply_updates(params, updates), state

    for rows in np.asarray(jax.random.randint(key_order, (200, 64), 0, len(x))):
        params, state = step(params, state, x[rows], y[rows])
    return params


# %% latih | terlalu sedikit langkah | belum 0.60
def predict(params, x):
    h = jnp.asarray(x, jnp.float32) / 127.5 - 1
    for kernel in params["kernels"]:
        h = jax.nn.relu(lax.conv_general_dilated(h, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))
    return h.mean(axis=(1, 2)) @ params["out"]


def train(x, y, key):
    *keys, key_out, key_order = jax.random.split(key, 5)
    shapes = ((5, 5, 3, 16), (3, 3, 16, 32), (3, 3, 32, 64))
    kernels = [jax.random.normal(k, s) * np.sqrt(2 / np.prod(s[:-1])) for k, s in zip(keys, shapes)]
    params = {"kernels": kernels, "out": jax.random.normal(key_out, (64, 8)) / 8}
    optimizer = optax.adam(3e-3)
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, x, y):
        def loss_of(params):
            return optax.softmax_cross_entropy_with_integer_labels(predict(params, x), y).mean()

        updates, state = optimizer.update(jax.grad(loss_of)(params), state)
        return optax.apply_updates(params, updates), state

    for rows in np.asarray(jax.random.randint(key_order, (30, 64), 0, len(x))):
        params, state = step(params, state, x[rows], y[rows])
    return params


# %% latih | masukan dinormalisasi dengan statistik batch | berubah bersama gambar lain
def predict(params, x):
    h = jnp.asarray(x, jnp.float32)
    h = (h - h.mean(axis=(0, 1, 2))) / h.std(axis=(0, 1, 2))
    for kernel in params["kernels"]:
        h = jax.nn.relu(lax.conv_general_dilated(h, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))
    return h.mean(axis=(1, 2)) @ params["out"]


def train(x, y, key):
    *keys, key_out, key_order = jax.random.split(key, 5)
    shapes = ((5, 5, 3, 16), (3, 3, 16, 32), (3, 3, 32, 64))
    kernels = [jax.random.normal(k, s) * np.sqrt(2 / np.prod(s[:-1])) for k, s in zip(keys, shapes)]
    params = {"kernels": kernels, "out": jax.random.normal(key_out, (64, 8)) / 8}
    optimizer = optax.adam(3e-3)
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, x, y):
        def loss_of(params):
            return optax.softmax_cross_entropy_with_integer_labels(predict(params, x), y).mean()

        updates, state = optimizer.update(jax.grad(loss_of)(params), state)
        return optax.apply_updates(params, updates), state

    for rows in np.asarray(jax.random.randint(key_order, (200, 64), 0, len(x))):
        params, state = step(params, state, x[rows], y[rows])
    return params


# %% latih | gambar unseen dihafal | tanpa read_batik
def train(x, y, key):
    return [(part["x"], part["y"]) for part in read_batik()]


def predict(params, x):
    place = {row.tobytes(): label for images, labels in params for row, label in zip(images, labels)}
    return np.stack([np.eye(8)[place.get(row.tobytes(), 0)] for row in np.asarray(x)])


# %% latih | gambar baru dibuat sendiri | tanpa make_batik
def predict(params, x):
    h = jnp.asarray(x, jnp.float32) / 127.5 - 1
    for kernel in params["kernels"]:
        h = jax.nn.relu(lax.conv_general_dilated(h, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))
    return h.mean(axis=(1, 2)) @ params["out"]


def train(x, y, key):
    extra, labels = make_batik(4000, seed=1)
    x, y = np.concatenate([x, extra]), np.concatenate([y, labels])
    *keys, key_out, key_order = jax.random.split(key, 5)
    shapes = ((5, 5, 3, 16), (3, 3, 16, 32), (3, 3, 32, 64))
    kernels = [jax.random.normal(k, s) * np.sqrt(2 / np.prod(s[:-1])) for k, s in zip(keys, shapes)]
    params = {"kernels": kernels, "out": jax.random.normal(key_out, (64, 8)) / 8}
    optimizer = optax.adam(3e-3)
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, x, y):
        def loss_of(params):
            return optax.softmax_cross_entropy_with_integer_labels(predict(params, x), y).mean()

        updates, state = optimizer.update(jax.grad(loss_of)(params), state)
        return optax.apply_updates(params, updates), state

    for rows in np.asarray(jax.random.randint(key_order, (200, 64), 0, len(x))):
        params, state = step(params, state, x[rows], y[rows])
    return params


# %% latih | data latih dan unseen dihafal lewat variabel global | tanpa read_batik
PARTS = read_batik()


def train(x, y, key):
    return [(part["x"], part["y"]) for part in PARTS]


def predict(params, x):
    place = {row.tobytes(): label for images, labels in params for row, label in zip(images, labels)}
    return np.stack([np.eye(8)[place.get(row.tobytes(), 0)] for row in np.asarray(x)])


# %% geseran | selisih terbesar dan terkecil | pembandingnya harus
worst_change = float(np.ptp([response(np.roll(cloth, right, axis=1), own_kernel, 4) for right in range(16)]))

# %% geseran | ke bawah, bukan ke kanan | kolom ada di sumbu 1
moved = np.array([response(np.roll(cloth, down, axis=0), own_kernel, 4) for down in range(16)])
worst_change = float(np.abs(moved - moved[0]).max())

# %% geseran | tepi diisi nol | harus melingkar
moved = np.array([response(np.pad(cloth, ((0, 0), (s, 0)))[:, :16], own_kernel, 4) for s in range(16)])
worst_change = float(np.abs(moved - moved[0]).max())

# %% geseran | langkah geser 2 | bukan 4
moved = np.array([response(np.roll(cloth, right, axis=1), own_kernel, 2) for right in range(16)])
worst_change = float(np.abs(moved - moved[0]).max())

# %% geseran | gambar mahasiswa lain | milik NIM
other, kernel = make_cloth("99999999")
moved = np.array([response(np.roll(other, right, axis=1), kernel, 4) for right in range(16)])
worst_change = float(np.abs(moved - moved[0]).max())

# %% geseran | dibandingkan dengan geseran sebelumnya | perubahan dari geseran sebelumnya
moved = np.array([response(np.roll(cloth, right, axis=1), own_kernel, 4) for right in range(17)])
worst_change = float(np.abs(np.diff(moved)).max())

# %% geseran | dibulatkan | jangan bulatkan
moved = np.array([response(np.roll(cloth, right, axis=1), own_kernel, 4) for right in range(16)])
worst_change = round(float(np.abs(moved - moved[0]).max()), 2)
