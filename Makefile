# Cukup Python 3.11-3.13, pip, dan GNU make. `make help` menampilkan semua perintah.
PYTHON ?= python3
LESSON := 2-mlp/05-image-classification.ipynb
SETS ?= pinned tree colab newest

PY := .venv/bin/python
READY := .venv/ready
SITE := .venv/site
OFFLINE := $(PY) -m tools.offline
# Di dalam arsip `make bundle` semua pustaka ada di wheels/, sehingga internet tidak diperlukan.
WHEELS := $(if $(wildcard wheels),--no-index --find-links wheels)
PIP_INSTALL := -m pip install --disable-pip-version-check $(WHEELS)

.DEFAULT_GOAL := help
.PHONY: help install lab run doctor test test-fast lint seeds mutate compat bench site site-serve site-archive site-test lock wheel bundle clean

help: ## tampilkan daftar ini
	@echo "Pemakaian: make PERINTAH [NB=pelajaran.ipynb] [PYTHON=python3.12]"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Lingkungan: dibuat bila belum ada, dipasang ulang bila daftar pustaka berubah, foldernya pindah (jalur paket kursus
# mutlak), atau Python-nya hilang.
$(shell [ ! -e $(READY) ] || { [ "$$(cat $(READY))" = "$$(pwd -P)" ] && $(PY) -c ''; } 2>/dev/null || rm -f $(READY))
install: $(READY) ## pasang lingkungan .venv (perintah lain memanggilnya sendiri)

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Perlu Python 3.11, 3.12, atau 3.13; '$(PYTHON)' adalah $$($(PYTHON) --version 2>&1 || true)."; \
	  echo "Pasang salah satunya, lalu sebut namanya, misalnya: make lab PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Modul venv belum terpasang untuk '$(PYTHON)'."; \
	  echo "Di Debian atau Ubuntu: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear .venv

$(READY): requirements.txt pyproject.toml | $(PY)
	$(PY) $(PIP_INSTALL) -r requirements.txt
	$(PY) $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@pwd -P > $@

# Belajar. Tanpa layar, JupyterLab tetap berjalan dan mencetak alamatnya; root perlu izin tegas.
ifeq ($(shell uname -s)$(DISPLAY)$(WAYLAND_DISPLAY),Linux)
  LAB_FLAGS += --no-browser
endif
ifeq ($(shell id -u),0)
  LAB_FLAGS += --allow-root
endif

lab: $(READY) ## buka JupyterLab (NB=... memilih pelajaran pertama)
	$(if $(NB),$(if $(wildcard $(NB)),,$(error $(NB) tidak ada; sebutlah misalnya NB=$(LESSON))))
	$(PY) -m jupyterlab $(LAB_FLAGS) $(wildcard $(or $(NB),$(LESSON)))

run: $(READY) ## jalankan satu pelajaran di terminal (NB=..., SET="SEED=1")
	$(PY) -m tools.nb run $(or $(NB),$(LESSON)) $(if $(SET),--set $(SET))

doctor: $(READY) ## periksa pemasangan dan taksir lama setiap bab di mesin ini
	$(PY) -m common.doctor

# Memeriksa. Pengujian memakai CPU dan, bila sistem mengizinkan, tanpa jaringan.
test test-fast: export JAX_PLATFORMS := cpu
TWO_CORES := --numprocesses 2 --dist worksteal

test: lint ## semua pemeriksaan, sama dengan CI
	$(OFFLINE) $(PY) -m pytest $(TWO_CORES)
	$(PY) -m tools.nb check
	$(OFFLINE) $(PY) -m tools.nb notebooks
	@echo "Semua pemeriksaan lulus."

test-fast: lint ## pemeriksaan tanpa pelajaran dan tanpa pengujian yang lambat
	$(OFFLINE) $(PY) -m pytest $(TWO_CORES) -m "not slow"
	$(PY) -m tools.nb check
	@echo "Pemeriksaan cepat lulus."

lint: $(READY) ## gaya kode, termasuk sel notebook
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

seeds: $(READY) ## jalankan pelajaran dengan beberapa seed (NB=...)
	$(PY) -m tools.nb seeds $(NB)

mutate: $(READY) ## uji mutasi sel "Dari nol" (NB=...)
	$(PY) -m tools.nb mutate $(or $(NB),$(LESSON))

compat: $(READY) ## uji pada beberapa set versi (SETS="pinned tree colab newest")
	$(PY) -m tools.compat $(SETS)

bench: $(READY) ## ukur kecepatan di samping NNX dan PyTorch (bila terpasang) ke benchmarks/
	JAX_PLATFORMS=cpu $(PY) -m benchmarks.speed

# Situs: dari keluaran yang tersimpan, tanpa menjalankan apa pun dan tanpa jaringan.
$(SITE): $(READY)
	$(PY) $(PIP_INSTALL) --constraint requirements.txt --editable ".[site]"
	@touch $@

site: $(SITE) ## bangun situs ke build/situs/html
	$(OFFLINE) $(PY) -m tools.site build

site-serve: $(SITE) ## bangun situs, lalu tampilkan
	$(PY) -m tools.site serve

site-archive: $(SITE) ## bangun situs, lalu kemas ke dist/ untuk dibuka dari folder
	$(OFFLINE) $(PY) -m tools.site archive

site-test: site ## uji situs di Chromium (perlu chromium, chromedriver, dan npm)
	@npm install --loglevel=error --no-fund --no-audit --prefix build/axe axe-core@4
	$(OFFLINE) $(PY) -m pytest tests/site

# Merawat. `lock` menggeser pin sesedikit mungkin; hapus requirements.txt lebih dulu untuk memperbarui semuanya.
lock: $(PY) ## susun ulang requirements.txt dari pyproject.toml
	$(PY) -m venv .compat/lock
	.compat/lock/bin/python $(PIP_INSTALL) --quiet uv
	.compat/lock/bin/python -m uv pip compile pyproject.toml --universal --python-version 3.11 \
	  --extra lab --extra dev --custom-compile-command "make lock" --quiet --output-file requirements.txt

wheel: $(READY) ## bangun wheel paket common ke dist/
	rm -rf build/lib
	$(PY) -m build --wheel

bundle: $(READY) ## kemas repositori dan semua pustaka ke dist/ untuk tempat tanpa internet
	$(PY) -m tools.bundle $(if $(PLATFORM),--platform $(PLATFORM)) $(if $(PYVER),--python $(PYVER))

clean: ## hapus hasil bangun dan cache; .venv tetap
	rm -rf build dist .compat .pytest_cache .ruff_cache *.egg-info
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
