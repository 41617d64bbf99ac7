#!/bin/sh
# Compiles the module within `docker build`, against the headers of the Mesos in this image.
set -eu

prefix=${MESOS_PREFIX:-}
for candidate in /usr/local /usr /opt/mesos; do
    [ -n "$prefix" ] || [ ! -e "$candidate/include/mesos/module/anonymous.hpp" ] || prefix=$candidate
done
if [ ! -e "$prefix/include/mesos/module/anonymous.hpp" ]; then
    echo "MESOS_IMAGE has no headers of Mesos ($prefix/include/mesos/module/anonymous.hpp):" \
        "take one that was installed with them, or say where they are (MESOS_PREFIX)." >&2
    exit 1
fi
apt-get update
# shellcheck disable=SC2086 # words
apt-get install --yes --no-install-recommends g++ cmake make nlohmann-json3-dev $MODULE_PACKAGES
# Classes look otherwise in a Mesos with SSL.
ssl=OFF
for library in "$prefix"/lib*/libprocess*.so "$prefix"/lib*/libmesos*.so; do
    if [ -e "$library" ] && readelf -d "$library" | grep -q 'NEEDED.*libssl'; then ssl=ON; fi
done
cmake -S module -B /build/module -DCMAKE_BUILD_TYPE=Release \
    -DMESOS_PREFIX="$prefix" -DMESOS_SSL="$ssl"
cmake --build /build/module --parallel "$(nproc)" --target command_module
mkdir -p /opt/mesos-packager
strip -o /opt/mesos-packager/libcommand_module.so /build/module/libcommand_module.so
