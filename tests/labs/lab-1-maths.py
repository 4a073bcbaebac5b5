# Jawaban salah yang lazim. Setiap bagian: `# %% tugas | apa yang salah | kata di dalam pesan penolakannya`.
# ruff: noqa

# %% anomali | rata-rata seluruh deret | bukan rata-rata seluruh deret
def anomalies(rain):
    return rain - rain.mean(axis=0)


# %% anomali | rata-rata di dalam setiap tahun | bukan di dalam satu tahun
def anomalies(rain):
    by_month = rain.reshape(-1, 12, rain.shape[1])
    return (by_month - by_month.mean(axis=1, keepdims=True)).reshape(rain.shape)


# %% anomali | bulan didahulukan pada reshape | tahun mendahului bulan
def anomalies(rain):
    by_month = rain.reshape(12, -1, rain.shape[1])
    return (by_month - by_month.mean(axis=1, keepdims=True)).reshape(rain.shape)


# %% anomali | stasiun ikut dirata-ratakan | setiap stasiun mempunyai
def anomalies(rain):
    by_month = rain.reshape(-1, 12, rain.shape[1])
    return (by_month - by_month.mean(axis=(0, 2), keepdims=True)).reshape(rain.shape)


# %% anomali | nilai semula tidak dikurangi, hanya rata-ratanya | rata-rata diambil atas tahun
def anomalies(rain):
    by_month = rain.reshape(-1, 12, rain.shape[1])
    return jnp.broadcast_to(by_month.mean(axis=0), by_month.shape).reshape(rain.shape)


# %% anomali | bentuk tidak dikembalikan | bentuk keluaran harus
def anomalies(rain):
    by_month = rain.reshape(-1, 12, rain.shape[1])
    return by_month - by_month.mean(axis=0)


# %% kuadrat-terkecil | intersep ikut dihukum | intersep tidak dihukum
def weighted_ridge(x, y, weights, strength):
    matrix = jnp.column_stack([jnp.ones(len(x)), x])
    root = jnp.sqrt(weights)
    stacked = jnp.vstack([matrix * root[:, None], jnp.sqrt(strength) * jnp.eye(matrix.shape[1])])
    return jnp.linalg.lstsq(stacked, jnp.append(y * root, jnp.zeros(matrix.shape[1])))[0]


# %% kuadrat-terkecil | baris dikalikan w, bukan akar w | akar w, bukan w
def weighted_ridge(x, y, weights, strength):
    matrix = jnp.column_stack([jnp.ones(len(x)), x])
    penalty = jnp.sqrt(strength) * jnp.eye(matrix.shape[1])[1:]
    stacked = jnp.vstack([matrix * weights[:, None], penalty])
    return jnp.linalg.lstsq(stacked, jnp.append(y * weights, jnp.zeros(len(penalty))))[0]


# %% kuadrat-terkecil | bobot diabaikan | periksa bobotnya
def weighted_ridge(x, y, weights, strength):
    matrix = jnp.column_stack([jnp.ones(len(x)), x])
    penalty = jnp.sqrt(strength) * jnp.eye(matrix.shape[1])[1:]
    return jnp.linalg.lstsq(jnp.vstack([matrix, penalty]), jnp.append(y, jnp.zeros(len(penalty))))[0]


# %% kuadrat-terkecil | lambda tanpa akar pada baris tambahan | akar lambda
def weighted_ridge(x, y, weights, strength):
    matrix = jnp.column_stack([jnp.ones(len(x)), x])
    root, penalty = jnp.sqrt(weights), strength * jnp.eye(matrix.shape[1])[1:]
    stacked = jnp.vstack([matrix * root[:, None], penalty])
    return jnp.linalg.lstsq(stacked, jnp.append(y * root, jnp.zeros(len(penalty))))[0]


# %% kuadrat-terkecil | persamaan normal dalam float32 | selesaikan dengan QR
def weighted_ridge(x, y, weights, strength):
    matrix = jnp.column_stack([jnp.ones(len(x)), x])
    penalty = strength * jnp.diag(jnp.arange(matrix.shape[1]) > 0)
    weighted = matrix.T * weights
    return jnp.linalg.solve(weighted @ matrix + penalty, weighted @ y)


# %% kuadrat-terkecil | invers dari persamaan normal | selesaikan dengan QR
def weighted_ridge(x, y, weights, strength):
    matrix = jnp.column_stack([jnp.ones(len(x)), x])
    penalty = strength * jnp.diag(jnp.arange(matrix.shape[1]) > 0)
    weighted = matrix.T * weights
    return jnp.linalg.inv(weighted @ matrix + penalty) @ weighted @ y


# %% kuadrat-terkecil | persamaan normal dengan pseudoinvers | selesaikan dengan QR
def weighted_ridge(x, y, weights, strength):
    matrix = jnp.column_stack([jnp.ones(len(x)), x])
    penalty = strength * jnp.diag(jnp.arange(matrix.shape[1]) > 0)
    weighted = matrix.T * weights
    return jnp.linalg.pinv(weighted @ matrix + penalty) @ weighted @ y


# %% kuadrat-terkecil | bobot dibagi rata-ratanya | bobot keliru
def weighted_ridge(x, y, weights, strength):
    matrix = jnp.column_stack([jnp.ones(len(x)), x])
    root, penalty = jnp.sqrt(weights / weights.mean()), jnp.sqrt(strength) * jnp.eye(matrix.shape[1])[1:]
    stacked = jnp.vstack([matrix * root[:, None], penalty])
    return jnp.linalg.lstsq(stacked, jnp.append(y * root, jnp.zeros(len(penalty))))[0]


# %% ikan | tanpa aturan rantai antartahun | aturan rantai belum lengkap
def ricker_gradients(r, k, start, weights):
    n, totals = start, [0.0, 0.0, 0.0]
    for weight in weights:
        after = n * jnp.exp(r * (1 - n / k))
        totals[0] += weight * after * (1 - n / k)
        totals[1] += weight * after * r * n / k**2
        totals[2] += weight * after / n * (1 - r * n / k)
        n = after
    return dict(zip(("r", "k", "start"), totals))


# %% ikan | hanya tahun terakhir yang dihitung | bukan hanya tahun terakhir
def ricker_gradients(r, k, start, weights):
    n, slopes = start, [0.0, 0.0, 1.0]
    for _ in weights:
        after = n * jnp.exp(r * (1 - n / k))
        back = after / n * (1 - r * n / k)
        direct = (after * (1 - n / k), after * r * n / k**2, 0.0)
        slopes = [back * slope + extra for slope, extra in zip(slopes, direct)]
        n = after
    return dict(zip(("r", "k", "start"), [weights[-1] * slope for slope in slopes]))


# %% ikan | n_t di dalam pangkat dianggap tetap | di dalam pangkat
def ricker_gradients(r, k, start, weights):
    n, slopes, totals = start, [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]
    for weight in weights:
        after = n * jnp.exp(r * (1 - n / k))
        direct = (after * (1 - n / k), after * r * n / k**2, 0.0)
        slopes = [after / n * slope + extra for slope, extra in zip(slopes, direct)]
        totals = [total + weight * slope for total, slope in zip(totals, slopes)]
        n = after
    return dict(zip(("r", "k", "start"), totals))


# %% ikan | tanda turunan terhadap k terbalik | periksa tandanya
def ricker_gradients(r, k, start, weights):
    n, slopes, totals = start, [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]
    for weight in weights:
        after = n * jnp.exp(r * (1 - n / k))
        back = after / n * (1 - r * n / k)
        direct = (after * (1 - n / k), -after * r * n / k**2, 0.0)
        slopes = [back * slope + extra for slope, extra in zip(slopes, direct)]
        totals = [total + weight * slope for total, slope in zip(totals, slopes)]
        n = after
    return dict(zip(("r", "k", "start"), totals))


# %% ikan | mode mundur yang bermula di tahun terakhir saja | setiap tahun memakai bobotnya sendiri
def ricker_gradients(r, k, start, weights):
    populations = [start]
    for _ in weights:
        populations.append(populations[-1] * jnp.exp(r * (1 - populations[-1] / k)))
    adjoint = slope_r = slope_k = 0.0
    for year in reversed(range(len(weights))):
        before, after = populations[year], populations[year + 1]
        adjoint = adjoint + (weights[year] if year == len(weights) - 1 else 0.0)
        slope_r += adjoint * after * (1 - before / k)
        slope_k += adjoint * after * r * before / k**2
        adjoint = adjoint * (after / before - after * r / k)
    return {"r": slope_r, "k": slope_k, "start": adjoint}


# %% ikan | bobot dipasang terbalik | bobot terpasang terbalik
def ricker_gradients(r, k, start, weights):
    n, slopes, totals = start, [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]
    for weight in weights[::-1]:
        after = n * jnp.exp(r * (1 - n / k))
        back = after / n * (1 - r * n / k)
        direct = (after * (1 - n / k), after * r * n / k**2, 0.0)
        slopes = [back * slope + extra for slope, extra in zip(slopes, direct)]
        totals = [total + weight * slope for total, slope in zip(totals, slopes)]
        n = after
    return dict(zip(("r", "k", "start"), totals))


# %% ikan | aturan rantai hanya untuk n_0 dan k | turunan r harus 1 * 50
def ricker_gradients(r, k, start, weights):
    n, slopes, totals = start, [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]
    for weight in weights:
        after = n * jnp.exp(r * (1 - n / k))
        back = after / n * (1 - r * n / k)
        direct = (after * (1 - n / k), after * r * n / k**2, 0.0)
        slopes = [direct[0], back * slopes[1] + direct[1], back * slopes[2]]
        totals = [total + weight * slope for total, slope in zip(totals, slopes)]
        n = after
    return dict(zip(("r", "k", "start"), totals))


# %% ikan | beda hingga dalam float64 | tanpa beda hingga
def ricker_gradients(r, k, start, weights):
    def total(r, k, n):
        found = 0.0
        for weight in np.asarray(weights, float):
            n = n * np.exp(r * (1 - n / k))
            found += weight * n
        return found

    point, found = [float(r), float(k), float(start)], {}
    for place, name in enumerate(("r", "k", "start")):
        step = 1e-6 * point[place]
        low, high = list(point), list(point)
        low[place] -= step
        high[place] += step
        found[name] = (total(*high) - total(*low)) / (2 * step)
    return found


# %% ikan | jax.grad di dalam fungsi | dikerjakan tanpa grad
def ricker_gradients(r, k, start, weights):
    def income(r, k, n):
        total = 0.0
        for weight in weights:
            n = n * jnp.exp(r * (1 - n / k))
            total += weight * n
        return total

    return dict(zip(("r", "k", "start"), jax.grad(income, argnums=(0, 1, 2))(r, k, start)))


# %% ikan | value_and_grad diimpor dengan nama lain | dikerjakan tanpa value_and_grad
from jax import value_and_grad as slopes_of


def ricker_gradients(r, k, start, weights):
    def income(r, k, n):
        total = 0.0
        for weight in weights:
            n = n * jnp.exp(r * (1 - n / k))
            total += weight * n
        return total

    return dict(zip(("r", "k", "start"), slopes_of(income, argnums=(0, 1, 2))(r, k, start)[1]))


# %% ikan | jax.jvp di dalam fungsi penolong | dikerjakan tanpa jvp
def slope_along(function, place, direction):
    return jax.jvp(function, place, direction)[1]


def ricker_gradients(r, k, start, weights):
    def income(r, k, n):
        total = 0.0
        for weight in weights:
            n = n * jnp.exp(r * (1 - n / k))
            total += weight * n
        return total

    axes = [tuple(row) for row in np.eye(3).tolist()]
    return dict(zip(("r", "k", "start"), [slope_along(income, (r, k, start), axis) for axis in axes]))


# %% ikan | jacfwd dan jacrev bergantian | dikerjakan tanpa jacfwd, jacrev
def ricker_gradients(r, k, start, weights):
    def income(r, k, n):
        total = 0.0
        for weight in weights:
            n = n * jnp.exp(r * (1 - n / k))
            total += weight * n
        return total

    slope_r, slope_k = jax.jacfwd(income, argnums=(0, 1))(r, k, start)
    return {"r": slope_r, "k": slope_k, "start": jax.jacrev(income, argnums=2)(r, k, start)}


# %% perbaiki-salinan | salinan yang salah | dua salinan sama persis
noisy_copies = faulty_copies


# %% perbaiki-salinan | hanya kunci antarsalinan yang diperbaiki | pecah kunci untuk setiap daun
def noisy_copies(key, params, scale, count):
    def one_copy(key):
        return jax.tree.map(lambda leaf: leaf + scale * jax.random.normal(key, leaf.shape), params)

    return jax.vmap(one_copy)(jax.random.split(key, count))


# %% perbaiki-salinan | hanya kunci antardaun yang diperbaiki | dua salinan sama persis
def noisy_copies(key, params, scale, count):
    leaves, skeleton = jax.tree.flatten(params)
    keys = jax.tree.unflatten(skeleton, list(jax.random.split(key, len(leaves))))

    def one_leaf(leaf, key):
        return jnp.tile(leaf + scale * jax.random.normal(key, leaf.shape), (count,) + (1,) * leaf.ndim)

    return jax.tree.map(one_leaf, params, keys)


# %% perbaiki-salinan | nomor salinan ditambah nomor daun: kunci bertabrakan | terbentuk dari dua jalan
def noisy_copies(key, params, scale, count):
    leaves, skeleton = jax.tree.flatten(params)

    def noisy(leaf, number):
        draws = [jax.random.normal(jax.random.fold_in(key, number + copy), leaf.shape) for copy in range(count)]
        return leaf + scale * jnp.stack(draws)

    return jax.tree.unflatten(skeleton, [noisy(leaf, number) for number, leaf in enumerate(leaves)])


# %% perbaiki-salinan | bilangan acak dari keadaan global | jangan memakai keadaan global
def noisy_copies(key, params, scale, count):
    return jax.tree.map(lambda leaf: leaf + scale * np.random.normal(size=(count, *leaf.shape)), params)


# %% perbaiki-salinan | scale dianggap varians | simpangan baku derau
def noisy_copies(key, params, scale, count):
    leaves, skeleton = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noisy = [leaf + scale**0.5 * jax.random.normal(k, (count, *leaf.shape)) for leaf, k in zip(leaves, keys)]
    return jax.tree.unflatten(skeleton, noisy)


# %% perbaiki-salinan | satu bilangan setiap kolom | bentuk undian
def noisy_copies(key, params, scale, count):
    leaves, skeleton = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))

    def noisy(leaf, key):
        draws = jax.random.normal(key, (count, *leaf.shape))
        return leaf + scale * (draws[:, :1] if leaf.ndim > 1 and len(leaf) == 20 else draws)

    return jax.tree.unflatten(skeleton, [noisy(leaf, k) for leaf, k in zip(leaves, keys)])


# %% perbaiki-salinan | satu bilangan setiap baris, untuk semua kolom | kolom-kolom satu daun berbagi derau
def noisy_copies(key, params, scale, count):
    leaves, skeleton = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noisy = [leaf + scale * jax.random.normal(k, (count, *leaf.shape[:-1], 1)) for leaf, k in zip(leaves, keys)]
    return jax.tree.unflatten(skeleton, noisy)


# %% latih | ketiga komponen mulai dari tempat yang sama | mulai dari tempat yang sama
def fit_mixture(lengths, key):
    z = (lengths - lengths.mean()) / lengths.std()

    def objective(params):
        logs = jax.nn.log_softmax(params["a"]) + jax.scipy.stats.norm.logpdf(
            z[:, None], params["m"], jnp.exp(params["s"])
        )
        return jax.nn.logsumexp(logs, axis=1).mean()

    step = jax.jit(lambda p: jax.tree.map(lambda v, g: v + 0.1 * g, p, jax.grad(objective)(p)))
    params = {"a": jnp.zeros(3), "m": jnp.zeros(3), "s": jnp.zeros(3)}
    for _ in range(300):
        params = step(params)
    means = lengths.mean() + lengths.std() * params["m"]
    return {"weights": jax.nn.softmax(params["a"]), "means": means, "scales": lengths.std() * jnp.exp(params["s"])}


# %% latih | satu titik awal, yang kurang beruntung | terjebak di maksimum lokal
def fit_mixture(lengths, key):
    z = (lengths - lengths.mean()) / lengths.std()

    def objective(params):
        logs = jax.nn.log_softmax(params["a"]) + jax.scipy.stats.norm.logpdf(
            z[:, None], params["m"], jnp.exp(params["s"])
        )
        return jax.nn.logsumexp(logs, axis=1).mean()

    step = jax.jit(lambda p: jax.tree.map(lambda v, g: v + 0.1 * g, p, jax.grad(objective)(p)))
    start = jnp.sort(jnp.asarray(z))[jnp.array([600, 1100, 1180])]
    params = {"a": jnp.zeros(3), "m": start, "s": jnp.full(3, -1.0)}
    for _ in range(1000):
        params = step(params)
    means = lengths.mean() + lengths.std() * params["m"]
    return {"weights": jax.nn.softmax(params["a"]), "means": means, "scales": lengths.std() * jnp.exp(params["s"])}


# %% latih | dari beberapa titik awal dipilih yang terburuk | terjebak di maksimum lokal
def fit_mixture(lengths, key):
    z = (lengths - lengths.mean()) / lengths.std()

    def objective(params):
        logs = jax.nn.log_softmax(params["a"]) + jax.scipy.stats.norm.logpdf(
            z[:, None], params["m"], jnp.exp(params["s"])
        )
        return jax.nn.logsumexp(logs, axis=1).mean()

    def climb(key):
        params = {"a": jnp.zeros(3), "m": jax.random.choice(key, z, (3,)), "s": jnp.full(3, -0.7)}
        step = lambda _, p: jax.tree.map(lambda v, g: v + 0.1 * g, p, jax.grad(objective)(p))
        params = jax.lax.fori_loop(0, 500, step, params)
        return params, objective(params)

    members, scores = jax.jit(jax.vmap(climb))(jax.random.split(key, 16))
    params = jax.tree.map(lambda leaf: leaf[scores.argmin()], members)
    means = lengths.mean() + lengths.std() * params["m"]
    return {"weights": jax.nn.softmax(params["a"]), "means": means, "scales": lengths.std() * jnp.exp(params["s"])}


# %% latih | simpangan baku tetap dalam satuan terstandar | satuan belum dikembalikan
def fit_mixture(lengths, key):
    z = (lengths - lengths.mean()) / lengths.std()

    def objective(params):
        logs = jax.nn.log_softmax(params["a"]) + jax.scipy.stats.norm.logpdf(
            z[:, None], params["m"], jnp.exp(params["s"])
        )
        return jax.nn.logsumexp(logs, axis=1).mean()

    def climb(key):
        params = {"a": jnp.zeros(3), "m": jax.random.choice(key, z, (3,)), "s": jnp.full(3, -0.7)}
        step = lambda _, p: jax.tree.map(lambda v, g: v + 0.1 * g, p, jax.grad(objective)(p))
        params = jax.lax.fori_loop(0, 500, step, params)
        return params, objective(params)

    members, scores = jax.jit(jax.vmap(climb))(jax.random.split(key, 16))
    params = jax.tree.map(lambda leaf: leaf[scores.argmax()], members)
    means = lengths.mean() + lengths.std() * params["m"]
    return {"weights": jax.nn.softmax(params["a"]), "means": means, "scales": jnp.exp(params["s"])}


# %% latih | bilangan dari histogram satu tangkapan | jangan menulis angka milik satu tangkapan
def fit_mixture(lengths, key):
    return {name: jnp.asarray(values) for name, values in make_catch(3)[2].items()}


# %% latih | ikan dibagi menjadi tiga kelompok sama banyak | terjebak di maksimum lokal
def fit_mixture(lengths, key):
    thirds = np.sort(np.asarray(lengths)).reshape(3, -1)
    return {"weights": np.full(3, 1 / 3), "means": thirds.mean(axis=1), "scales": thirds.std(axis=1)}


# %% latih | satuan tidak dikembalikan | satuan belum dikembalikan
def fit_mixture(lengths, key):
    return {"weights": np.full(3, 1 / 3), "means": np.array([-1.0, 0.0, 1.0]), "scales": np.full(3, 0.3)}


# %% latih | log simpangan baku dikembalikan | apakah exp terlupa
def fit_mixture(lengths, key):
    truth = make_catch(3)[2]
    return {**truth, "scales": np.log(truth["scales"] / lengths.std())}


# %% latih | bobot tidak dinormalkan | apakah softmax terlupa
def fit_mixture(lengths, key):
    return {**make_catch(3)[2], "weights": np.ones(3)}


# %% latih | tidak pernah selesai | batas waktu
def fit_mixture(lengths, key):
    while True:
        pass


# %% undian | pecahan tidak dibulatkan | harus bilangan bulat
shortages = np.maximum(np.random.default_rng(0).normal(shop["mean"], shop["spread"], 1_000_000) - shop["stock"], 0)
draws_needed = float((100 * shortages.std() / shortages.mean()) ** 2)

# %% undian | hasil bagi tidak dikuadratkan | masih harus dikuadratkan
shortages = np.maximum(np.random.default_rng(0).normal(shop["mean"], shop["spread"], 1_000_000) - shop["stock"], 0)
draws_needed = int(100 * shortages.std() / shortages.mean())

# %% undian | galat mutlak 0,01 kg | galat baku 0,01 kg
shortages = np.maximum(np.random.default_rng(0).normal(shop["mean"], shop["spread"], 1_000_000) - shop["stock"], 0)
draws_needed = int((100 * shortages.std()) ** 2)

# %% undian | simpangan baku permintaan | bukan kekurangan
shortages = np.maximum(np.random.default_rng(0).normal(shop["mean"], shop["spread"], 1_000_000) - shop["stock"], 0)
draws_needed = int((100 * shop["spread"] / shortages.mean()) ** 2)

# %% undian | dua galat baku | dua galat baku
shortages = np.maximum(np.random.default_rng(0).normal(shop["mean"], shop["spread"], 1_000_000) - shop["stock"], 0)
draws_needed = int((200 * shortages.std() / shortages.mean()) ** 2)

# %% undian | toko mahasiswa lain | milik NIM
other = make_shop("99999999")
shortages = np.maximum(np.random.default_rng(0).normal(other["mean"], other["spread"], 1_000_000) - other["stock"], 0)
draws_needed = int((100 * shortages.std() / shortages.mean()) ** 2)
