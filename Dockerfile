# API and worker in one process; liveupdate-api, liveupdate-worker and liveupdate-manage are in it as well.
# /etc/liveupdate/ is yours to mount: liveupdate.conf, clouds.yaml, and the ssh key that the former names.
FROM python:3.11-slim-bookworm AS build
COPY . /src
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir -c /src/constraints.txt uv \
 && python -m venv --without-pip /opt/liveupdate \
 && /opt/uv/bin/uv pip install --no-cache --compile-bytecode --python /opt/liveupdate/bin/python \
    -c /src/constraints.txt '/src[server]'

FROM python:3.11-slim-bookworm
COPY --from=build /opt/liveupdate /opt/liveupdate
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/liveupdate liveupdate
USER 10001
WORKDIR /var/lib/liveupdate
VOLUME /var/lib/liveupdate
ENV PATH=/opt/liveupdate/bin:$PATH OS_CLIENT_CONFIG_FILE=/etc/liveupdate/clouds.yaml OS_API__HOST=0.0.0.0
EXPOSE 9323
CMD ["liveupdate-all"]
