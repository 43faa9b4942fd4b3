# The service without anything that it does not need at run time: no compiler, no embedded PostgreSQL, not root.
# Its steps are run without Docker by test/scale/dockerfile.test.ts.
FROM node:20-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build
RUN npm prune --omit=dev --omit=peer --ignore-scripts --no-audit --no-fund

FROM node:20-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8787
WORKDIR /app
COPY package.json ./
COPY bin ./bin
COPY migrations ./migrations
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/dist ./dist
USER node
EXPOSE 8787
STOPSIGNAL SIGTERM
CMD ["node", "dist/node.js"]
