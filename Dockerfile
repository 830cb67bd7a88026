# firekeeperd and the firekeeper command on Debian 12.
#
#   docker build -t firekeeper .
#   docker run --rm -p 50061:50061 -p 9464:9464 \
#     -v ./tokens:/run/secrets/tokens:ro firekeeper --token-file /run/secrets/tokens
#
# The server listens beyond loopback here, or no published port would reach it.
# It therefore refuses to start (exit code 2, with the reason) until it is given
# --tls-cert and --tls-key, or --token-file, or --insecure. The choice is the
# user's, so none is made here.
#
# With TLS the health check needs to trust the certificate: set
# FIREKEEPER_CA_CERT, and FIREKEEPER_ENDPOINT to a name the certificate holds.

ARG BUILDER_IMAGE=debian:bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${BUILDER_IMAGE} AS builder
WORKDIR /src
# Alone, so that the packages stay cached while sources change.
COPY deploy/install-packages deploy/install-packages
COPY server/web/page/package.json server/web/page/package-lock.json server/web/page/
RUN deploy/install-packages build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release && \
    cmake --build --preset release --parallel "$(nproc)" \
      --target firekeeperd_program firekeeper_command && \
    install -D --strip --target-directory=/out \
      build/release/bin/firekeeperd build/release/bin/firekeeper

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="firekeeper" \
      org.opencontainers.image.description="Finds dead neurons in networks that train, and says since when" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY deploy/install-packages /usr/local/share/firekeeper/install-packages
RUN /usr/local/share/firekeeper/install-packages run && rm -rf /var/lib/apt/lists/*
COPY LICENSE /usr/share/doc/firekeeper/copyright
COPY --from=builder /out/firekeeperd /out/firekeeper /usr/local/bin/
# A library that is missing here fails the build, not the start.
RUN firekeeperd --version && firekeeper --version

# By environment and not by CMD: arguments of `docker run` then add to these
# instead of replacing them.
ENV FIREKEEPER_HOST=0.0.0.0 \
    FIREKEEPER_HTTP_HOST=0.0.0.0 \
    FIREKEEPER_DATA_DIR=/var/lib/firekeeper
EXPOSE 50061 9464
# The only place that is written to: with a volume there, a read-only root works.
RUN install -d -m 0700 -o 10001 -g 10001 /var/lib/firekeeper
VOLUME /var/lib/firekeeper
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
  CMD ["firekeeper", "health"]
ENTRYPOINT ["firekeeperd"]
