# One target for each use; docs/docker.md has the arguments.
#
#   docker build --target=simulator -t mesos-packager:simulator .
#   docker build --target=systemd   -t mesos-packager:systemd .
#   docker build --target=agent     -t mesos-packager:agent --build-arg=MESOS_IMAGE=mesos:1.12 .
#
# Both of Docker's builders take this file, and no frontend image has to be fetched for it. Stages
# whose arguments may be confidential end here: an image that is kept has their files only. Stages
# have a label, by which what a build has superseded is found.

ARG BASE_IMAGE=debian:bookworm-slim
ARG MESOS_IMAGE=mesos:1.12

# -- what every image without Mesos begins with --------------------------------------------------

FROM ${BASE_IMAGE} AS python
RUN { command -v python3 && command -v tini && command -v update-ca-certificates; } || { \
        apt-get update && \
        apt-get install --yes --no-install-recommends ca-certificates python3 tini && \
        rm -rf /var/lib/apt/lists/*; \
    }

# -- the commands, in an environment of their own ------------------------------------------------

FROM python AS commands
LABEL mesos-packager.stage="commands"
ARG CA_CERTIFICATES=""
ARG PIP_INDEX_URL=""
ARG PIP_EXTRA_INDEX_URL=""
ARG PIP_TRUSTED_HOST=""
WORKDIR /source
COPY harness/images/commands.sh harness/images/
RUN harness/images/commands.sh tools
COPY cli/pyproject.toml cli/
RUN harness/images/commands.sh dependencies
COPY . ./
RUN harness/images/commands.sh cli

# The same with the simulated agent, which hosts of packages do without.
FROM commands AS commands-and-simulator
LABEL mesos-packager.stage="commands-and-simulator"
RUN harness/images/commands.sh harness

# -- simulator: the simulated agent and the commands ----------------------------------------------

FROM python AS simulator
RUN groupadd --gid=5051 agent && \
    useradd --uid=5051 --gid=agent --home-dir=/ --no-create-home agent && \
    mkdir -p /opt/packager /var/spool/agent && \
    chown agent:agent /opt/packager /var/spool/agent && \
    for command in agentsim packager provisioner; do \
        ln -s /opt/mesos-packager/bin/$command /usr/local/bin/; \
    done
USER 5051:5051
EXPOSE 5051
# tini reaps what commands leave behind, and hands signals on.
ENTRYPOINT ["tini", "--", "agentsim", "serve", "--host=0.0.0.0", "--spool-dir=/var/spool/agent"]
CMD ["/opt/mesos-packager/share/mesos-packager/routes/packager.json"]
HEALTHCHECK --start-period=5s CMD ["agentsim", "call", "GET", "http://127.0.0.1:5051/help"]
# What changes comes last.
ARG SOURCE=""
COPY --from=commands-and-simulator /opt/mesos-packager /opt/mesos-packager
LABEL org.opencontainers.image.title="mesos-packager simulator" \
      org.opencontainers.image.description="A simulated Mesos agent that serves packager's routes" \
      mesos-packager.source="${SOURCE}"

# -- systemd: packager on a host with services -----------------------------------------------------

FROM python AS systemd
RUN apt-get update && \
    apt-get install --yes --no-install-recommends systemd systemd-sysv && \
    rm -rf /var/lib/apt/lists/* && \
    for command in packager provisioner; do \
        ln -s /opt/mesos-packager/bin/$command /usr/local/bin/; \
    done
ENV container=docker
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
ARG SOURCE=""
COPY --from=commands /opt/mesos-packager /opt/mesos-packager
LABEL org.opencontainers.image.title="mesos-packager systemd" \
      org.opencontainers.image.description="packager under a systemd of its own" \
      mesos-packager.source="${SOURCE}"

# -- agent: a Mesos agent with the module and the commands -----------------------------------------

FROM ${MESOS_IMAGE} AS mesos
USER root
RUN { command -v python3 && command -v tini && command -v update-ca-certificates; } || { \
        apt-get update && \
        apt-get install --yes --no-install-recommends ca-certificates python3 tini && \
        rm -rf /var/lib/apt/lists/*; \
    }

FROM mesos AS module
LABEL mesos-packager.stage="module"
ARG MESOS_PREFIX=""
ARG MODULE_PACKAGES="libapr1-dev libcurl4-openssl-dev libprotobuf-dev libsvn-dev zlib1g-dev"
WORKDIR /source
COPY harness/images/module.sh harness/images/
COPY module module
RUN harness/images/module.sh

# The same as above, for the Python of that image.
FROM mesos AS agent-commands
LABEL mesos-packager.stage="agent-commands"
ARG CA_CERTIFICATES=""
ARG PIP_INDEX_URL=""
ARG PIP_EXTRA_INDEX_URL=""
ARG PIP_TRUSTED_HOST=""
WORKDIR /source
COPY harness/images/commands.sh harness/images/
RUN harness/images/commands.sh tools
COPY cli/pyproject.toml cli/
RUN harness/images/commands.sh dependencies
COPY . ./
RUN harness/images/commands.sh cli

FROM mesos AS agent
RUN groupadd --gid=5051 agent && \
    useradd --uid=5051 --gid=agent --home-dir=/ --no-create-home agent && \
    mkdir -p /opt/packager /var/spool/agent /var/lib/mesos-agent /run/mesos-agent && \
    chown agent:agent /opt/packager /var/spool/agent /var/lib/mesos-agent /run/mesos-agent && \
    for command in packager provisioner; do \
        ln -s /opt/mesos-packager/bin/$command /usr/local/bin/; \
    done
# An agent reads its options from here, too; those of its command line come before.
ENV MESOS_IP=0.0.0.0 \
    MESOS_HOSTNAME_LOOKUP=false \
    MESOS_MASTER=127.0.0.1:5050 \
    MESOS_WORK_DIR=/var/lib/mesos-agent \
    MESOS_RUNTIME_DIR=/run/mesos-agent \
    MESOS_LAUNCHER=posix \
    MESOS_ISOLATION=posix/cpu,posix/mem \
    MESOS_SWITCH_USER=false \
    MESOS_SYSTEMD_ENABLE_SUPPORT=false \
    MESOS_MODULES=file:///etc/mesos-agent/modules.json
USER 5051:5051
EXPOSE 5051
ENTRYPOINT ["tini", "--", "mesos-agent"]
CMD []
HEALTHCHECK --start-period=30s CMD ["python3", "-c", "import http.client, sys; agent = http.client.HTTPConnection('127.0.0.1', 5051, timeout=10); agent.request('GET', '/help/packager'); sys.exit(agent.getresponse().status != 200)"]
ARG SOURCE=""
COPY harness/images/modules.json /etc/mesos-agent/
COPY module/routes /etc/mesos-agent/routes
COPY --from=module /opt/mesos-packager/libcommand_module.so /opt/mesos-packager/
COPY --from=agent-commands /opt/mesos-packager /opt/mesos-packager
LABEL org.opencontainers.image.title="mesos-packager agent" \
      org.opencontainers.image.description="A Mesos agent that serves packager's routes" \
      mesos-packager.source="${SOURCE}"
