# Varnish with vmod-digest, which its VCL needs to check permissions. The official image lacks it.
#
#   docker build --file deploy/varnish.Dockerfile --tag glassplate-varnish deploy

FROM debian:bookworm-slim
# curl is for the health check.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends varnish varnish-vmod-digest curl \
    && rm -rf /var/lib/apt/lists/*
# Mount point of a tmpfs. Some container engines use the mode of this directory instead of the mode in
# compose.yaml.
RUN install --directory --mode 1777 /edges/varnish
USER 10001:10001
CMD ["varnishd", "-V"]
