# One image, all services; the command chooses which. The next lines are ordered so that a change of code alone does
# not install anything again.
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
RUN npm ci --omit=dev --omit=optional && npm cache clean --force

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 FLATLINE_DATA_DIR=/data
WORKDIR /flatline
# The lock of the instance lies here even where Postgres is elsewhere.
RUN mkdir /data && chown node:node /data
VOLUME /data
COPY --from=dependencies /flatline/node_modules ./node_modules
COPY --from=build /flatline/dist ./dist
COPY package.json LICENSE ./
USER node
EXPOSE 8080
CMD ["node", "dist/apps/standalone/main.js"]
