# Debian 12 with its own Python 3.11, and the environment of the locks.
#
#   docker build -t abacus .
#   docker run --rm -it abacus make repro
#   docker run --rm -it abacus make test
#
# A run's data and checkpoints stay in the container. `-v "$PWD":/abacus` has them in this folder, but hides the image's .venv: the
# first `make` then makes one in this folder (3.5 GB, a few minutes), also in place of one whose Python the container has not.
FROM debian:12-slim AS tools
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git libgomp1 make python3.11 python3.11-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /abacus

FROM tools
# The locks first: the environment is made anew when they change, and not with every edit.
COPY environment environment
RUN python3.11 environment/setup.py --test
COPY . .
CMD ["make", "help"]
