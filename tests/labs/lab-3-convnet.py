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


# %% korelasi | penyaring dibalik | penyaring tidak dibalik
def correlate(x, kernel, stride, padding, dilation):
    axes = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel[::-1, ::-1], stride, padding, None, dilation, axes)


# %% korelasi | langkah geser tertukar | langkah geser: bentuk
def correlate(x, kernel, stride, padding, dilation):
    axes = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, stride[::-1], padding, None, dilation, axes)


# %% korelasi | bantalan dibagi rata di kedua sisi | bantalan yang tidak setangkup: nilai
def correlate(x, kernel, stride, padding, dilation):
    axes = ("NHWC", "HWIO", "NHWC")
    padding = [(sum(pair) // 2, sum(pair) - sum(pair) // 2) for pair in padding]
    return lax.conv_general_dilated(x, kernel, stride, padding, None, dilation, axes)


# %% korelasi | dilatasi diabaikan | dilatasi: bentuk
def correlate(x, kernel, stride, padding, dilation):
    return lax.conv_general_dilated(x, kernel, stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


# %% korelasi | kanal masukan tidak dijumlahkan | kanal
def correlate(x, kernel, stride, padding, dilation):
    axes = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x[..., :1], kernel[:, :, :1], stride, padding, None, dilation, axes)


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


# %% latih | tidak dilatih | benar-benar dilatih
def predict(params, x):
    return jnp.asarray(x, jnp.float32).reshape(len(x), -1) @ params


def train(x, y, key):
    return jax.random.normal(key, (3072, 8))


# %% latih | menghafal data latih | gambar yang tidak dilihat
def predict(params, x):
    known, labels = params
    place = {row.tobytes(): label for row, label in zip(np.asarray(known), labels)}
    return np.stack([np.eye(8)[place.get(row.tobytes(), 0)] for row in np.asarray(x)])


def train(x, y, key):
    return np.asarray(x), np.asarray(y)


# %% latih | model linear | gambar yang tidak dilihat
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
