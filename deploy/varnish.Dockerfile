# Varnish with vmod-digest, by which its VCL checks permissions. The official image has no vmod-digest.
#
#   docker build --file deploy/varnish.Dockerfile --tag glassplate-varnish deploy

FROM debian:bookworm-slim
# curl is for the health check.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends varnish varnish-vmod-digest curl \
    && rm -rf /var/lib/apt/lists/*
# Where a file system in memory is mounted: engines differ in whether they look at the mode that was
# asked for or at the one that is here.
RUN install --directory --mode 1777 /edges/varnish
USER 10001:10001
CMD ["varnishd", "-V"]
