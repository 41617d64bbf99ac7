#!/bin/sh
# Makes /opt/mesos-packager, an environment with the project's commands, within `docker build`.
# In steps, so that Docker keeps what did not change: tools, dependencies, then a distribution each.
#
# CA_CERTIFICATES (PEM) and pip's own PIP_INDEX_URL and so on come as build arguments of a stage that
# is thrown away: what they say is in no image that is kept.
set -eu

bundle=/etc/ssl/certs/ca-certificates.crt
pip() { PIP_CERT=$bundle /build/bin/pip --disable-pip-version-check --no-cache-dir "$@"; }

case $1 in
tools)
    if [ -n "${CA_CERTIFICATES:-}" ]; then
        printf '%s\n' "$CA_CERTIFICATES" >/usr/local/share/ca-certificates/build.crt
        update-ca-certificates >/dev/null
    fi
    apt-get update
    apt-get install --yes --no-install-recommends python3-venv
    python3 -m venv /build
    pip install hatchling
    python3 -m venv --without-pip /opt/mesos-packager
    ;;
dependencies)
    python3 -c 'import tomllib
project = tomllib.load(open("cli/pyproject.toml", "rb"))["project"]
extras = project["optional-dependencies"]
print(*project["dependencies"], *extras["provisioner"], *extras["signed"], sep="\n")
' >requirements.txt
    pip --python /opt/mesos-packager/bin/python install --requirement requirements.txt
    ;;
cli | harness)
    # What agentsim needs, packager needs too.
    (cd "$1" && /build/bin/hatchling build -t wheel -d "/build/wheel/$1")
    pip --python /opt/mesos-packager/bin/python install --no-deps "/build/wheel/$1"/*.whl
    ;;
esac
