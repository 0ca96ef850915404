# The worker: workflows, activities, and the agents that it starts, which live in the same container.
# Debian, not Alpine: the SDK's native part needs glibc.
ARG NODE_VERSION=22.20.0

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /build
# First what seldom changes, so that a change of the sources does not install everything again.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN node scripts/build.mjs --check && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:${NODE_VERSION}-bookworm-slim AS worker
# tini is process 1: it passes SIGTERM on, and collects processes whose parents have ended (agents leave some).
# No versions: Debian's mirrors drop one as soon as it is mended, so that a build with fixed ones fails some day.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git openssh-client tini \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/heartbead
COPY package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY bin ./bin
RUN ln -s /opt/heartbead/bin/heartbead.mjs /usr/local/bin/heartbead \
 && install --directory --owner=node --group=node --mode=0700 /var/lib/heartbead
# Mirrors, worktrees, logs and the host's identity: a volume, or a new container is a new host without its work.
ENV HEARTBEAD_HOME=/var/lib/heartbead NODE_ENV=production
# As `heartbead up` has it, and the flag below (src/worker/memory.ts): a third less memory per bead. The worker keeps it from what it starts.
ENV GLIBC_TUNABLES=glibc.malloc.arena_max=2:glibc.malloc.mmap_threshold=131072:glibc.malloc.trim_threshold=131072:glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0
VOLUME /var/lib/heartbead
# The image's user `node`, by number: a cluster that starts nothing as root cannot tell what a name stands for.
USER 1000
# Node itself, not npm: npm would keep SIGTERM from it.
ENTRYPOINT ["tini", "--", "node", "--max-semi-space-size=4", "/opt/heartbead/dist/worker.js", "--health-port", "8087"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8087/').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
