# One image for the three long-running parts of Insiders; the command chooses which one a container is:
#
#   code server   dagster code-server start -h 0.0.0.0 -p 4000 -m insiders_assets.definitions
#   webserver     dagster-webserver -h 0.0.0.0 -p 3000 -w workspace.yaml      (the default)
#   daemon        dagster-daemon run -w workspace.yaml
#
# One image, because runs start in the code server's or the daemon's container: two images would be two sets of versions.
#
#   docker build -t insiders .                                              a tag of the base
#   docker build --build-arg PYTHON_IMAGE=python@sha256:… -t insiders .     the very same base every time
#
# Everything written goes to the volume /var/lib/insiders or to /tmp, so the root can be read-only:
#   docker run --read-only --tmpfs /tmp -v insiders:/var/lib/insiders -p 127.0.0.1:3000:3000 insiders
# Settings and passwords come at run time as INSIDERS_… variables; none is in the image.

ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS builder

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /build

# The venv has the path that it has in the final stage: its scripts name their interpreter by it.
RUN python -m venv /opt/insiders/venv
ENV PATH=/opt/insiders/venv/bin:${PATH}

# Dependencies before our code, with a stub of the package: a change of our code then reuses this layer. The stub's build
# folder goes with it: setuptools would keep its newer files instead of ours.
COPY setup.py pyproject.toml constraints.txt ./
RUN mkdir insiders_assets \
    && echo '"""A stub."""' > insiders_assets/__init__.py \
    && pip install --no-compile -c constraints.txt '.[notebook]' \
    && pip uninstall --yes insiders-assets \
    && rm -r build ./*.egg-info

COPY insiders_assets ./insiders_assets
COPY notebooks ./notebooks
# PIP_CONSTRAINT binds setuptools in the isolated build, too, which -c does not.
RUN PIP_CONSTRAINT=/build/constraints.txt pip install --no-compile --no-deps . \
    && pip check

# Importing from source costs seconds at every start of a run, and a read-only root could never keep the bytecode.
# Unchecked hashes: the files of an image do not change, and file times may when layers are unpacked.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/insiders/venv/lib

# Shortens the first UMAP fit (12 s to 7 s when tried: part of what it compiles is never cached); WARM_UMAP=0 leaves it
# out. Numba keys its cache by the processor and by the source file's time: on another kind of processor the volume gets
# a cache of its own, and the times are set to whole seconds first, because layers keep no fractions and every entry
# would be passed over.
ARG WARM_UMAP=1
ENV NUMBA_CACHE_DIR=/opt/insiders/numba
RUN mkdir -p "${NUMBA_CACHE_DIR}" \
    && find /opt/insiders/venv/lib -name '*.py' -exec touch --date=@1735689600 {} + \
    && if [ "${WARM_UMAP}" = 1 ]; then \
         python -c "import numpy, umap; umap.UMAP(n_components=10, random_state=42).fit(numpy.random.default_rng(0).random((400, 20)))"; \
       fi


FROM ${PYTHON_IMAGE} AS final

LABEL org.opencontainers.image.title="insiders" \
      org.opencontainers.image.description="From an online shop's raw invoices to a loyalty programme: code server, webserver and daemon." \
      org.opencontainers.image.version="0.1.0"

# A number that hosts and orchestrators can name (volume ownership, runAsNonRoot); no shell, no password.
RUN groupadd --gid 10001 insiders \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/insiders --no-create-home --shell /usr/sbin/nologin insiders

COPY --from=builder /opt/insiders/venv /opt/insiders/venv
WORKDIR /opt/insiders/app
COPY workspace.yaml ./
# A new named volume is filled from this folder with its owner, so it is writable without a step as root; of these, only
# the instance's dagster.yaml and the warm Numba cache have content. dagster.yaml is read from DAGSTER_HOME, and an
# upgrade does not touch an existing volume: mount the file to change it, or copy it from /opt/insiders/app.
COPY dagster.yaml ./
# For production (deploy/README.md): a code server of its own, PostgreSQL and S3; every value from the environment.
COPY deploy/workspace.yaml deploy/dagster.yaml ./production/
COPY --chown=10001:10001 dagster.yaml /var/lib/insiders/dagster/dagster.yaml
COPY --chown=10001:10001 --from=builder /opt/insiders/numba /var/lib/insiders/numba
RUN chown 10001:10001 /var/lib/insiders /var/lib/insiders/dagster

# MPLCONFIGDIR: Matplotlib writes its font list there. PYTHONFAULTHANDLER: a crash in native code leaves a stack.
# INSIDERS_HOME is the home, DAGSTER_HOME its instance folder, as the command line has them without containers.
ENV PATH=/opt/insiders/venv/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONFAULTHANDLER=1 \
    HOME=/var/lib/insiders \
    INSIDERS_HOME=/var/lib/insiders \
    DAGSTER_HOME=/var/lib/insiders/dagster \
    NUMBA_CACHE_DIR=/var/lib/insiders/numba \
    MPLCONFIGDIR=/tmp/matplotlib \
    DAGSTER_DISABLE_TELEMETRY=yes

USER 10001:10001
VOLUME ["/var/lib/insiders"]
EXPOSE 3000 4000

# No HEALTHCHECK: it would be the webserver's and call the other two sick. Whoever starts the containers knows which is
# which and asks: webserver  GET /server_info;  code server  dagster api grpc-health-check -p 4000;
# daemon  dagster-daemon liveness-check (it reads the heartbeats).

# All three end with exit code 0 within two seconds of SIGINT and of SIGTERM, also as the first process of a container
# (tried). SIGINT, because the image also runs `insiders …`: as a first process plain Python has a handler for SIGINT
# (Ctrl-C: locks and temporary files are cleared) and none for SIGTERM, which would be ignored until the kill.
STOPSIGNAL SIGINT

CMD ["dagster-webserver", "-h", "0.0.0.0", "-p", "3000", "-w", "workspace.yaml"]
