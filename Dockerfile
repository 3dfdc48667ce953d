# One image for every program of Flatline; the first argument says which: docker run flatline ingest
# It runs as a user without rights, needs nothing writable but /tmp (and /data for `standalone`), and holds no secret.
# The lines are ordered so that a change of code alone does not install anything again.
FROM node:24-bookworm-slim AS build
WORKDIR /flatline
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN node tools/build.mjs

FROM node:24-bookworm-slim AS dependencies
WORKDIR /flatline
COPY package.json package-lock.json .npmrc ./
# No embedded Postgres in the image: there DATABASE_URL names a real one.
RUN npm ci --omit=dev --omit=optional

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 FLATLINE_DATA_DIR=/data
# Room for the pings that wait for Kafka or Postgres: docs/scaling.md.
ENV NODE_OPTIONS=--max-semi-space-size=32
WORKDIR /flatline
# The lock of `standalone` lies here even where Postgres is elsewhere.
RUN mkdir /data && chown node:node /data
COPY --from=dependencies /flatline/node_modules ./node_modules
COPY --from=build /flatline/dist ./dist
COPY package.json LICENSE tools/image/flatline.sh ./
USER node
EXPOSE 8080
ENTRYPOINT ["sh", "/flatline/flatline.sh"]
CMD ["standalone"]
