# The gateway's one image; its roles are the commands api, worker, sandbox and migrate.

FROM python:3.13-slim AS builder

ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    VIRTUAL_ENV=/opt/venv

RUN pip install --no-cache-dir uv==0.13.9 && uv venv /opt/venv

WORKDIR /srv/gateway

# pyproject.toml chooses the packages, so neither test tools nor the embedded Postgres come along; the lock gives their
# versions and hashes. Wheels only: no package's own build script runs here.
COPY pyproject.toml requirements.lock ./
RUN uv pip install --require-hashes --only-binary :all: --requirements pyproject.toml --constraints requirements.lock

# Editable, as in a checkout: `app`, `migrations` and `alembic.ini` stay side by side. The build backend comes from the
# lock too, and stays out of the environment.
COPY README.md LICENSE alembic.ini ./
COPY migrations migrations
COPY app app
RUN uv pip install --no-deps --build-constraints requirements.lock --editable . \
    && python -m compileall -q app migrations \
    && chmod -R a+rX .


FROM python:3.13-slim

LABEL org.opencontainers.image.title="Messaging Gateway" \
      org.opencontainers.image.licenses="Apache-2.0"

# Nothing is written, so the root file system may be read-only. The API binds to all addresses of its container: who
# reaches it is decided by where its port is published.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_API__HOST=0.0.0.0 \
    GATEWAY_API__PORT=8080

RUN groupadd --gid 10001 gateway \
    && useradd --uid 10001 --gid gateway --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gateway

WORKDIR /srv/gateway
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /srv/gateway /srv/gateway

USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM

# For the api; http.client, because urllib would ask a proxy named in the environment. A worker listens on no port: run
# it with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['GATEWAY_API__PORT']), timeout=3); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]

ENTRYPOINT ["gateway"]
CMD ["api"]
