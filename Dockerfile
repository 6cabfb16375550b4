# Telara's image: web, consumer, worker, beat and simulator are the same image with another command.

# -- the libraries of the pages ----------------------------------------------------------------------------------------
FROM node:22.12.0-bookworm-slim AS vendor
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --silent --omit=dev
RUN mkdir -p vendor/uplot \
    && cp node_modules/uplot/dist/uPlot.esm.js node_modules/uplot/dist/uPlot.min.css node_modules/uplot/LICENSE vendor/uplot/

# -- the Python environment --------------------------------------------------------------------------------------------
FROM python:3.11.14-slim-bookworm AS environment
WORKDIR /app
COPY requirements-uv.txt requirements.txt ./
# uv comes with its own hash, and checks those of all others.
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-uv.txt \
    && .venv/bin/uv --quiet --no-cache pip sync --python .venv/bin/python --require-hashes --compile-bytecode requirements.txt

# -- what runs ---------------------------------------------------------------------------------------------------------
FROM python:3.11.14-slim-bookworm
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PORT=8000
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent telara
WORKDIR /app
COPY --from=environment /app/.venv .venv
COPY . .
COPY --from=vendor /build/vendor static/vendor
# It talks to nobody. What it writes belongs to root: the process can read its code, not change it.
RUN python manage.py collectstatic --noinput --verbosity 0
USER telara
EXPOSE 8000
# Of the web process; the others have checks of their own in docker-compose.yml.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health/live', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "uvicorn", "telara.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--lifespan", "off", "--no-access-log", "--no-server-header", "--ws", "dashboard.live.protocol:Protocol", "--ws-per-message-deflate", "false", "--timeout-graceful-shutdown", "10"]
