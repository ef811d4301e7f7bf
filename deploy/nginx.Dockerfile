# nginx with Lua, which checks permissions. The official image has no Lua.
#
#   docker build --file deploy/nginx.Dockerfile --tag glassplate-nginx deploy

FROM debian:bookworm-slim
# curl is for the health check.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nginx libnginx-mod-http-lua curl \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001
CMD ["nginx", "-v"]
